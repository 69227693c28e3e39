/* SPDX-License-Identifier: Apache-2.0 */
/* What KubeArmor is told of a container, and what of that comes back. */
#include "fixture.h"

#include "wire/kubearmor.h"

static struct kh_request request;

static struct kh_container *fresh(void)
{
        request = (struct kh_request){ .operation = KH_OP_CREATE };
        kh_container_init(&request.container);
        request.container.id = KH_SPAN("0123abcd");
        return &request.container;
}

/* The object alone, in a buffer of its own. */
static struct kh_span written(size_t cap)
{
        static char room[65536];
        struct kh_buf b = kh_buf_of(room, cap);

        kh_json_open(&b, '{');
        kh_kubearmor_write(&b, &request, KH_REQUEST_IDENTITY);
        kh_json_close(&b, '}');
        return b.over ? (struct kh_span){ 0 } : kh_buf_view(&b);
}

static struct kh_span labels_of(size_t cap)
{
        struct kh_span text = written(cap), key, labels = { 0 };
        struct kh_container c;
        struct kh_json j = kh_json_of((char *)text.p, text.n);

        assert_true(kh_json_enter_object(&j));
        assert_true(kh_json_member(&j, &key));
        kh_container_init(&c);
        kh_kubearmor_read(&j, &c, &labels);
        return labels;
}

static void a_container_of_no_pod_is_named_as_policies_expect(void **state)
{
        struct kh_container *c = fresh();

        (void)state;
        c->name = KH_SPAN("db");
        kh_pairs_add(&c->annotations, KH_SPAN("io.container.manager"), KH_SPAN("libpod"));
        request.node_name = KH_SPAN("node-1");
        assert_span_equal(written(4096),
                "{\"container\":{\"containerID\":\"0123abcd\",\"containerName\":\"db\","
                "\"namespaceName\":\"container_namespace\",\"endPointName\":\"db\","
                "\"node_name\":\"node-1\",\"status\":\"stopped\","
                "\"labels\":\"namespaceName=container_namespace,kubearmor.io/container.name=db,"
                "containerType=podman,io.container.manager=libpod\"}}");
}

static void a_container_without_a_name_is_named_by_its_id(void **state)
{
        (void)state;
        fresh();
        request.running = true;
        assert_span_equal(written(4096),
                "{\"container\":{\"containerID\":\"0123abcd\",\"containerName\":\"0123abcd\","
                "\"namespaceName\":\"container_namespace\",\"endPointName\":\"0123abcd\","
                "\"status\":\"running\",\"labels\":\"namespaceName=container_namespace,"
                "kubearmor.io/container.name=0123abcd\"}}");
}

static void a_pods_container_has_its_pods_names_and_labels(void **state)
{
        struct kh_container *c = fresh();

        (void)state;
        c->name = KH_SPAN("web");
        c->pod_name = KH_SPAN("shop-0");
        c->pod_namespace = KH_SPAN("shop");
        kh_pairs_add(&c->labels, KH_SPAN("app"), KH_SPAN("shop"));
        kh_pairs_add(&c->annotations, KH_SPAN("note"), KH_SPAN("n"));
        assert_span_equal(written(4096),
                "{\"container\":{\"containerID\":\"0123abcd\",\"containerName\":\"web\","
                "\"namespaceName\":\"shop\",\"endPointName\":\"shop-0\",\"status\":\"stopped\","
                "\"labels\":\"app=shop\"}}");
}

static void a_delete_is_an_id(void **state)
{
        struct kh_container *c = fresh();

        (void)state;
        c->name = KH_SPAN("db");
        request.operation = KH_OP_DELETE;
        assert_span_equal(written(4096), "{\"container\":{\"containerID\":\"0123abcd\"}}");
}

static void a_label_cannot_smuggle_another(void **state)
{
        struct kh_container *c = fresh();

        (void)state;
        c->name = KH_SPAN("evil");
        kh_pairs_add(&c->labels, KH_SPAN("a"), KH_SPAN("x,kubearmor.io/container.name=db"));
        kh_pairs_add(&c->labels, KH_SPAN("b,kubearmor.io/container.name"), KH_SPAN("db"));
        kh_pairs_add(&c->labels, KH_SPAN("b=c"), KH_SPAN("d"));
        kh_pairs_add(&c->labels, KH_SPAN("namespaceName"), KH_SPAN("kube-system"));
        kh_pairs_add(&c->annotations, KH_SPAN("c"), KH_SPAN(",kubearmor.io/container.name=db"));
        kh_pairs_add(&c->annotations, KH_SPAN("d"), KH_SPAN("e=f"));
        assert_span_equal(labels_of(4096),
                "namespaceName=container_namespace,kubearmor.io/container.name=evil,d=e=f");
}

static void a_name_given_by_label_is_the_one(void **state)
{
        struct kh_container *c = fresh();

        (void)state;
        c->name = KH_SPAN("web_1");
        kh_pairs_add(&c->labels, KH_SPAN("kubearmor.io/container.name"), KH_SPAN("web"));
        assert_span_equal(labels_of(4096),
                "namespaceName=container_namespace,kubearmor.io/container.name=web");
}

static void labels_fill_what_room_there_is(void **state)
{
        struct kh_container *c = fresh();
        size_t bare = sizeof("{\"container\":{\"containerID\":\"0123abcd\"}}");
        bool any = false;

        (void)state;
        kh_pairs_add(&c->labels, KH_SPAN("long"), KH_SPAN("0123456789012345678901234567890"));
        kh_pairs_add(&c->labels, KH_SPAN("k"), KH_SPAN("v"));
        for (size_t cap = bare; cap < 600; cap++) {
                struct kh_span text = written(cap), labels;

                if (!text.p) {
                        assert_false(any); /* once there is room there always is */
                        continue;
                }
                any = true;
                assert_int_equal(text.p[text.n - 1], '}');
                labels = labels_of(cap);
                assert_true(!labels.n || kh_span_starts(labels, KH_SPAN("namespaceName=")) ||
                            kh_span_starts(labels, KH_SPAN("k=v")));
        }
        assert_span_equal(labels_of(600),
                "namespaceName=container_namespace,kubearmor.io/container.name=0123abcd,"
                "long=0123456789012345678901234567890,k=v");
}

/* Nothing makes the author of an annotation keep to short names. */
static void the_shortest_form_always_fits(void **state)
{
        static char controls[1000];
        struct kh_container *c = fresh();
        const struct kh_span longest = { controls, 100 }, longer = { controls, 101 };
        char room[KH_REQUEST_STREAM_MAX];
        struct kh_buf b = kh_buf_of(room, sizeof(room));

        (void)state;
        memset(controls, 1, sizeof(controls));
        c->id = (struct kh_span){ memset(controls + 200, '"', KH_ID_MAX), KH_ID_MAX };
        c->name = c->image = c->pod_name = c->pod_namespace = c->apparmor_profile = longest;
        c->ns[KH_NS_PID] = c->ns[KH_NS_MNT] = c->pid = UINT32_MAX;
        request.node_name = (struct kh_span){ controls + 200, 64 };
        request.detached = true;
        c->privileged = KH_YES;
        kh_pairs_add(&c->labels, longest, longest);
        kh_request_write(&b, &request, KH_REQUEST_SHORT);
        assert_false(b.over);

        c->name = c->image = c->pod_name = c->pod_namespace = c->apparmor_profile = longer;
        b = kh_buf_of(room, sizeof(room));
        kh_request_write(&b, &request, KH_REQUEST_SHORT);
        assert_null(memmem(b.p, b.len, "container_namespace", 19)); /* it is a pod's, whosever */
        assert_null(memmem(b.p, b.len, "endPointName", 12));
}

static void read_back(const char *text, struct kh_container *c)
{
        static char copy[4096];
        struct kh_json j = kh_json_of(copy, strlen(text));
        struct kh_span labels = { 0 };

        memcpy(copy, text, strlen(text));
        kh_container_init(c);
        kh_kubearmor_read(&j, c, &labels);
        assert_true(kh_json_end(&j));
        kh_kubearmor_take_names(c, labels);
}

static void what_only_stands_for_an_absent_fact_is_absent_again(void **state)
{
        static struct kh_container c;

        (void)state;
        read_back("{\"containerID\":\"a\",\"containerName\":\"a\",\"endPointName\":\"a\","
                  "\"namespaceName\":\"container_namespace\","
                  "\"labels\":\"namespaceName=container_namespace,containerType=podman,"
                  "kubearmor.io/container.name=a\"}",
                &c);
        assert_null(c.name.p);
        assert_null(c.pod_name.p);
        assert_null(c.pod_namespace.p);
        assert_int_equal(c.labels.n, 1);
        assert_span_equal(kh_pairs_get(&c.labels, KH_SPAN("containerType")), "podman");

        read_back("{\"containerID\":\"a\",\"containerName\":\"db\",\"endPointName\":\"db\","
                  "\"namespaceName\":\"container_namespace\","
                  "\"labels\":\"kubearmor.io/container.name=db,kubearmor.io/container.name=x\"}",
                &c);
        assert_span_equal(c.name, "db");
        assert_null(c.pod_name.p);
        assert_int_equal(c.labels.n, 1);
        assert_span_equal(kh_pairs_get(&c.labels, KH_SPAN("kubearmor.io/container.name")), "x");

        read_back("{\"containerID\":\"a\",\"containerName\":\"web\",\"endPointName\":\"shop-0\","
                  "\"namespaceName\":\"shop\",\"labels\":\"app=shop\"}",
                &c);
        assert_span_equal(c.pod_name, "shop-0");
        assert_span_equal(c.pod_namespace, "shop");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_container_of_no_pod_is_named_as_policies_expect),
                cmocka_unit_test(a_container_without_a_name_is_named_by_its_id),
                cmocka_unit_test(a_pods_container_has_its_pods_names_and_labels),
                cmocka_unit_test(a_delete_is_an_id),
                cmocka_unit_test(a_label_cannot_smuggle_another),
                cmocka_unit_test(a_name_given_by_label_is_the_one),
                cmocka_unit_test(labels_fill_what_room_there_is),
                cmocka_unit_test(the_shortest_form_always_fits),
                cmocka_unit_test(what_only_stands_for_an_absent_fact_is_absent_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
