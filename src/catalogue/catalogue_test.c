/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue/catalogue.h"
#include "catalogue/checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct catalogue_operation *find(const char *name)
{
        const struct catalogue_operation *operation = catalogue_find(STR("docker"), str_from(name));

        if (!operation)
                operation = catalogue_find(STR("countersign"), str_from(name));
        assert_non_null(operation);
        return operation;
}

/* Fills and writes the result; NULL text: nothing given. */
static bool fill(struct arena *arena, const char *name, const char *text, struct str *ret, struct err *err)
{
        struct json given, filled;
        BUF_SCOPED buf;

        buf_init(&buf, 1 << 20);
        if (text)
                assert_true(json_parse(arena, str_from(text), &given, err));
        if (!catalogue_parameters_fill(arena, find(name), text ? &given : NULL, &filled, err))
                return false;
        assert_true(catalogue_parameters_check(find(name), &filled, err));
        json_append_canonical(&buf, &filled);
        *ret = arena_str(arena, buf_str(&buf));
        return true;
}

static void expect(const char *name, const char *text, const char *wanted)
{
        ARENA_SCOPED arena;
        struct err err = {0};
        struct str found;

        arena_init(&arena, 1 << 20);
        if (!fill(&arena, name, text, &found, &err))
                fail_msg("%s: %s", name, err.message);
        if (!str_is(found, wanted))
                fail_msg("%s: %.*s", name, STR_ARG(found));
}

static void refuse(const char *name, const char *text, enum err_code code, const char *place)
{
        ARENA_SCOPED arena;
        struct err err = {0};
        struct str found;

        arena_init(&arena, 1 << 20);
        if (fill(&arena, name, text, &found, &err))
                fail_msg("%s %s was taken", name, text);
        if (err.code != code)
                fail_msg("%s %s: %s: %s", name, text, err_name(err.code), err.message);
        assert_string_equal(err.place, place);
}

static void the_table_is_well_formed(void **state)
{
        (void)state;
        for (size_t i = 0; i < catalogue_count(); i++) {
                const struct catalogue_operation *operation = catalogue_at(i);

                assert_ptr_equal(operation,
                                 catalogue_find(str_from(operation->connector), str_from(operation->name)));
                assert_true(strlen(operation->summary) > 0);
                for (unsigned j = 0; j < operation->parameter_count; j++) {
                        const struct catalogue_parameter *parameter = &operation->parameters[j];

                        if (j > 0)
                                assert_true(strcmp(operation->parameters[j - 1].name, parameter->name) < 0);
                        assert_false(parameter->required && parameter->default_json);
                        assert_true(strlen(parameter->label) > 0 && strlen(parameter->summary) > 0);
                        assert_true(parameter->min <= parameter->max);
                        if (parameter->key_check || parameter->value_check)
                                assert_non_null(parameter->form);
                }
        }
        assert_null(catalogue_at(catalogue_count()));
        assert_null(catalogue_find(STR("docker"), STR("container.exec")));
        assert_null(catalogue_find(STR("shell"), STR("container.list")));
}

/* Defaults alone must satisfy the checks, or an action without parameters could not be built. */
static void every_default_fits_its_own_parameter(void **state)
{
        (void)state;
        for (size_t i = 0; i < catalogue_count(); i++) {
                ARENA_SCOPED arena;
                struct err err = {0};
                struct str found;

                arena_init(&arena, 1 << 20);
                /* What has no default must be given. */
                if (!fill(&arena, catalogue_at(i)->name, NULL, &found, &err) &&
                    err.code != ERR_MISSING_FIELD)
                        fail_msg("%s: %s", catalogue_at(i)->name, err.message);
        }
}

static void whatever_is_gone_afterwards_destroys(void **state)
{
        (void)state;
        for (size_t i = 0; i < catalogue_count(); i++) {
                const struct catalogue_operation *operation = catalogue_at(i);

                if (str_ends(str_from(operation->name), STR(".remove")) ||
                    str_ends(str_from(operation->name), STR(".delete")))
                        assert_int_equal(operation->effect, EFFECT_DESTROYS);
                else
                        assert_int_not_equal(operation->effect, EFFECT_DESTROYS);
        }
        assert_int_equal(find("container.list")->effect, EFFECT_READS);
        assert_int_equal(find("container.run")->effect, EFFECT_CHANGES);
}

static void defaults_are_filled_in(void **state)
{
        (void)state;
        expect("container.remove", NULL, "{\"force\":false,\"volumes\":false}");
        expect("container.remove", "{\"force\":true}", "{\"force\":true,\"volumes\":false}");
        expect("container.logs", "{\"tail\":10}", "{\"tail\":10,\"timestamps\":false}");
        expect("container.create", "{\"name\":\"web\",\"ports\":{\"80/tcp\":\"127.0.0.1:8080\"}}",
               "{\"env\":{},\"labels\":{},\"name\":\"web\",\"network\":\"bridge\","
               "\"ports\":{\"80/tcp\":\"127.0.0.1:8080\"}}");
        expect("network.remove", "{}", "{}");
}

static void what_the_table_does_not_name_is_refused(void **state)
{
        (void)state;
        refuse("container.create", "{\"privileged\":true}", ERR_UNKNOWN_FIELD, "/parameters/privileged");
        refuse("container.run", "{\"mounts\":[\"/:/host\"]}", ERR_UNKNOWN_FIELD, "/parameters/mounts");
        refuse("container.run", "{\"HostConfig\":{}}", ERR_UNKNOWN_FIELD, "/parameters/HostConfig");
        refuse("container.remove", "{\"Force\":true}", ERR_UNKNOWN_FIELD, "/parameters/Force");
}

static void values_of_another_type_are_refused(void **state)
{
        (void)state;
        refuse("container.remove", "{\"force\":1}", ERR_BAD_FIELD, "/parameters/force");
        refuse("container.remove", "{\"force\":null}", ERR_BAD_FIELD, "/parameters/force");
        refuse("container.logs", "{\"tail\":\"10\"}", ERR_BAD_FIELD, "/parameters/tail");
        refuse("container.logs", "{\"tail\":1.5}", ERR_BAD_FIELD, "/parameters/tail");
        refuse("container.run", "{\"command\":\"sh\"}", ERR_BAD_FIELD, "/parameters/command");
        refuse("container.run", "{\"command\":[\"sh\",1]}", ERR_BAD_FIELD, "/parameters/command");
        refuse("container.run", "{\"env\":{\"A\":1}}", ERR_BAD_FIELD, "/parameters/env");
        refuse("container.run", "[]", ERR_BAD_FIELD, "/parameters");
}

static void values_out_of_range_are_refused(void **state)
{
        (void)state;
        refuse("container.logs", "{\"tail\":0}", ERR_BAD_FIELD, "/parameters/tail");
        refuse("container.logs", "{\"tail\":10001}", ERR_BAD_FIELD, "/parameters/tail");
        refuse("container.logs", "{\"tail\":18446744073709551615}", ERR_BAD_FIELD, "/parameters/tail");
        refuse("container.run", "{\"command\":[]}", ERR_BAD_FIELD, "/parameters/command");
        refuse("container.run", "{\"command\":[\"a\\u0000b\"]}", ERR_BAD_FIELD, "/parameters/command");
        refuse("container.run", "{\"network\":\"host\"}", ERR_BAD_FIELD, "/parameters/network");
        refuse("container.run", "{\"network\":\"container:x\"}", ERR_BAD_FIELD, "/parameters/network");
        refuse("container.run", "{\"ports\":{\"80\":\"127.0.0.1:8080\"}}", ERR_BAD_FIELD,
               "/parameters/ports");
        refuse("container.run", "{\"env\":{\"A=B\":\"\"}}", ERR_BAD_FIELD, "/parameters/env");
        refuse("container.kill", "{\"signal\":\"9\"}", ERR_BAD_FIELD, "/parameters/signal");
}

static void targets_are_checked_by_kind(void **state)
{
        char hex[65] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        struct err err = {0};
        ARENA_SCOPED arena;
        struct str id;

        (void)state;
        arena_init(&arena, 4096);
        assert_true(target_check(TARGET_CONTAINER, STR("web"), &err));
        assert_true(target_check(TARGET_IMAGE, STR("ghcr.io/a/b:1.0"), &err));
        assert_true(target_check(TARGET_NONE, STR(""), &err));
        assert_false(target_check(TARGET_NONE, STR("web"), &err));
        assert_false(target_check(TARGET_CONTAINER, STR(""), &err));
        assert_false(target_check(TARGET_CONTAINER, STR("../web"), &err));
        assert_false(target_check(TARGET_CONTAINER, STR("web?force=1"), &err));
        assert_false(target_check(TARGET_VOLUME, STR("a/b"), &err));

        assert_true(target_is_full_id(&arena, TARGET_CONTAINER, str_from(hex), &id));
        assert_string_equal(id.ptr, hex);
        assert_true(target_is_full_id(&arena, TARGET_IMAGE, str_from(hex), &id));
        assert_true(check_sha256_id(id));
        assert_false(target_is_full_id(&arena, TARGET_CONTAINER, STR("web"), &id));
        assert_false(target_is_full_id(&arena, TARGET_IMAGE, STR("busybox:latest"), &id));
        /* A volume with such a name can be another one tomorrow. */
        assert_false(target_is_full_id(&arena, TARGET_VOLUME, str_from(hex), &id));

        assert_true(target_fact_check(TARGET_CONTAINER, STR("id"), str_from(hex), &err));
        assert_false(target_fact_check(TARGET_CONTAINER, STR("id"), STR("web"), &err));
        assert_false(target_fact_check(TARGET_CONTAINER, STR("colour"), STR("red"), &err));
}

static void forms_are_exact(void **state)
{
        static const struct {
                bool (*check)(struct str);
                const char *text;
                bool holds;
        } cases[] = {
                {check_docker_name, "a", false},
                {check_docker_name, "web-1", true},
                {check_docker_name, "-web", false},
                {check_docker_name, "a b", false},
                {check_container_port, "80/tcp", true},
                {check_container_port, "080/tcp", false},
                {check_container_port, "0/tcp", false},
                {check_container_port, "65536/tcp", false},
                {check_container_port, "80/TCP", false},
                {check_container_port, "80/tcp/x", false},
                {check_host_address, "0.0.0.0:80", true},
                {check_host_address, "1.2.3:80", false},
                {check_host_address, "1.2.3.4.5:80", false},
                {check_host_address, "256.0.0.1:80", false},
                {check_host_address, "1.2.3.4:", false},
                {check_host_address, ":80", false},
                {check_env_name, "A_1", true},
                {check_env_name, "1A", false},
                {check_env_name, "", false},
                {check_user, "1000:1000", true},
                {check_user, "root:", false},
                {check_user, "a:b:c", false},
                {check_network_mode, "none", true},
                {check_network_mode, "host", false},
                {check_signal, "SIGTERM", true},
                {check_signal, "SIGTER", false},
                {check_label_name, "a.b/c", true},
                {check_label_name, "a b", false},
                {check_image_reference, "a@sha256:00", true},
                {check_image_reference, "-v", false},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                if (cases[i].check(str_from(cases[i].text)) != cases[i].holds)
                        fail_msg("%s", cases[i].text);
        assert_false(check_docker_name(str_make("a\0b", 3)));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_table_is_well_formed),
                cmocka_unit_test(every_default_fits_its_own_parameter),
                cmocka_unit_test(whatever_is_gone_afterwards_destroys),
                cmocka_unit_test(defaults_are_filled_in),
                cmocka_unit_test(what_the_table_does_not_name_is_refused),
                cmocka_unit_test(values_of_another_type_are_refused),
                cmocka_unit_test(values_out_of_range_are_refused),
                cmocka_unit_test(targets_are_checked_by_kind),
                cmocka_unit_test(forms_are_exact),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
