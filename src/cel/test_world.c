/* SPDX-License-Identifier: Apache-2.0 */
#include "cel/test_world.h"

static uint32_t numbers_count(const struct cel_host_list *self)
{
        return ((const struct numbers *)self)->count;
}

/* The fourth cannot be had. */
static struct cel_value numbers_at(const struct cel_host_list *self, struct cel_call *call, uint32_t index)
{
        (void)self;
        return index == 3 ? cel_fail(call, "the fourth is lost") : cel_int(index * 10);
}

static struct cel_value request_get(const struct cel_host_map *self, struct cel_call *call, struct str key)
{
        struct request *request = (struct request *)self;

        request->asked++;
        if (str_is(key, "method"))
                return cel_string(str_from(request->method));
        if (str_is(key, "size"))
                return cel_int(5);
        if (str_is(key, "secret"))
                return cel_fail(call, "this is secret");
        return (struct cel_value){0};
}

static uint32_t request_count(const struct cel_host_map *self)
{
        (void)self;
        return 2;
}

static struct str request_key_at(const struct cel_host_map *self, uint32_t index)
{
        (void)self;
        return index == 0 ? STR("method") : STR("size");
}

static bool color_equal(const struct cel_opaque *a, const struct cel_opaque *b)
{
        return ((const struct color *)a)->rgb == ((const struct color *)b)->rgb;
}

static void color_append(struct buf *buf, const struct cel_opaque *self)
{
        buf_printf(buf, "#%06x", ((const struct color *)self)->rgb);
}

static const struct cel_opaque_type color_type = {"acme.Color", color_equal, color_append};

struct cel_value world_fetch(void *data, struct cel_call *call, uint32_t slot)
{
        struct world *w = data;

        w->fetched++;
        if (slot == 3)
                return cel_string(STR("fetched"));
        return slot == 4 ? cel_fail(call, "cannot be fetched") : (struct cel_value){0};
}

int world_setup(void **state)
{
        struct world *w = test_calloc(1, sizeof(*w));
        struct err err;

        *state = w;
        arena_init(&w->arena, 1 << 22);
        w->env = cel_env_new(&err);
        assert_non_null(w->env);
        w->numbers = (struct numbers){{numbers_count, numbers_at}, 3};
        w->request = (struct request){{request_get, request_count, request_key_at}, "GET", 0};
        w->red = (struct color){{&color_type}, 0xFF0000};
        assert_true(cel_env_add_type(w->env, "acme.Color", 0, &err));
        assert_true(cel_env_variable(w->env, "numbers", "list(int)", NULL, &err));
        assert_true(cel_env_variable(w->env, "request", "map(string, dyn)", NULL, &err));
        assert_true(cel_env_variable(w->env, "red", "acme.Color", NULL, &err));
        assert_true(cel_env_variable(w->env, "lazy", "string", NULL, &err));
        assert_true(cel_env_variable(w->env, "unfetchable", "string", NULL, &err));
        assert_true(cel_env_variable(w->env, "absent", "string", NULL, &err));
        w->values[0] =
                (struct cel_value){.kind = CEL_LIST, .form = CEL_FORM_HOST, .host_list = &w->numbers.list};
        w->values[1] =
                (struct cel_value){.kind = CEL_MAP, .form = CEL_FORM_HOST, .host_map = &w->request.map};
        w->values[2] = cel_opaque(&w->red.opaque);
        return 0;
}

int world_teardown(void **state)
{
        struct world *w = *state;

        cel_env_free(w->env);
        arena_done(&w->arena);
        test_free(w);
        return 0;
}

struct cel_program *world_compile(struct world *w, const char *expression)
{
        struct cel_program *program;
        struct err err;

        if (!cel_compile(w->env, str_from(expression), NULL, &program, &err))
                fail_msg("%s", err.message);
        return program;
}
