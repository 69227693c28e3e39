/* SPDX-License-Identifier: Apache-2.0 */
/* The OCI state on a hook's standard input. */
#include "fuzz.h"
#include "oci/annotations.h"
#include "oci/state.h"
#include "wire/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct kh_pairs annotations;
        struct kh_oci_state state;
        struct kh_err err = { 0 };
        char *text = fuzz_copy(data, size);

        if (kh_oci_read_state(text, size, &state, &err) == 0) {
                fuzz_require(kh_container_id_is_valid(state.id));
                annotations.n = annotations.dropped = 0;
                kh_oci_read_annotations_text(state.annotations, &annotations);
                (void)kh_oci_dialect(state.bundle, &annotations);
        } else {
                fuzz_require(err.code < 0 && err.msg[0]);
        }
        fuzz_free(text, size);
        return 0;
}
