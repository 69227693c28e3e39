/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle's config.json, and the identity that its annotations give, in every dialect. */
#include "fuzz.h"
#include "oci/annotations.h"
#include "oci/config.h"
#include "wire/codec.h"

static void write_and_forget(const struct kh_container *c)
{
        static char room[64 * 1024];
        struct kh_buf b = kh_buf_of(room, sizeof(room));

        kh_json_open(&b, '{');
        kh_container_write(&b, c, KH_MEMBERS_ALL);
        kh_json_close(&b, '}');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct kh_span bundles[] = {
                { "/run/bundles/web-1", 18 },
                { "/run/containerd/io.containerd.runtime.v2.task/k8s.io/web-1", 58 },
                { "/var/lib/containers/storage/overlay-containers/web-1/userdata", 61 },
                { NULL, 0 },
        };
        static struct kh_container c;
        const struct kh_oci_config_options options = { 0 };
        const struct kh_span bundle = bundles[size & 3];
        struct kh_err err = { 0 };
        char *text = fuzz_copy(data, size);
        char scratch_room[256];

        for (int dialect = KH_DIALECT_NONE; dialect <= KH_DIALECT_AMBIGUOUS; dialect++) {
                struct kh_buf scratch = kh_buf_of(scratch_room, sizeof(scratch_room));

                memcpy(text, data, size);
                kh_container_init(&c);
                if (kh_oci_read_config(text, size, bundle, &scratch, &options, &c, &err) < 0)
                        fuzz_require(err.code < 0 && !c.rootfs.p && !c.annotations.n);
                (void)kh_oci_dialect(bundle, &c.annotations);
                kh_oci_identify(&c, (enum kh_dialect)dialect, &scratch);
                write_and_forget(&c);
        }
        fuzz_free(text, size);
        return 0;
}
