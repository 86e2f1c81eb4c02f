/* SPDX-License-Identifier: Apache-2.0 */
/* Claims to roles, by CEL. */
#include "identity/oidc_private.h"

#include "cel/cel.h"

enum { EXPRESSION_BYTES_MAX = 4096, COST_MAX = 20000 };

bool oidc_environment_new(struct cel_env **ret, struct err *err)
{
        uint32_t slot;

        *ret = cel_env_new(err);
        return *ret && cel_env_variable(*ret, "claims", "map(string, dyn)", &slot, err);
}

static bool compile(const struct oidc *oidc, struct str expression, struct cel_program **ret,
                    struct err *err)
{
        const struct cel_options options = {.source_max_bytes = EXPRESSION_BYTES_MAX};

        return cel_compile(oidc->environment, expression, &options, ret, err);
}

bool oidc_expression_check(const struct oidc *oidc, struct str expression, struct err *err)
{
        struct cel_program *program = NULL;
        BUF_SCOPED type = {0};
        bool good;

        if (!compile(oidc, expression, &program, err))
                return false;
        buf_init(&type, 1024);
        cel_program_append_type(&type, program);
        good = str_is(buf_str(&type), "string") || str_is(buf_str(&type), "dyn") ||
               str_is(buf_str(&type), "list(string)") || str_is(buf_str(&type), "list(dyn)");
        if (!good)
                err_set_at(err, ERR_EXPRESSION, "1:1",
                           "the expression yields %.*s, but names of roles are needed",
                           STR_ARG(buf_str(&type)));
        cel_program_free(program);
        return good;
}

static bool take_names(struct arena *arena, struct cel_value value, struct str *ret_names, size_t most,
                       size_t *ret_count, struct err *err)
{
        uint32_t count = value.kind == CEL_LIST ? cel_count(value) : 1;

        if (value.kind != CEL_LIST && value.kind != CEL_STRING)
                return err_set(err, ERR_EVALUATION,
                               "the expression gives neither a string nor a list of them");
        if (count > most)
                return err_set(err, ERR_EVALUATION, "the expression gives %u names; at most %zu are taken",
                               count, most);
        for (uint32_t i = 0; i < count; i++) {
                struct cel_value one = value.kind == CEL_LIST ? cel_at(NULL, value, i) : value;

                if (one.kind != CEL_STRING)
                        return err_set(err, ERR_EVALUATION,
                                       "the expression gives something that is no string");
                ret_names[i] = arena_str(arena, cel_text(one));
        }
        *ret_count = count;
        return arena_check(arena, err);
}

bool oidc_expression_names(const struct oidc *oidc, struct arena *arena, struct str expression,
                           const struct json *claims, struct str *ret_names, size_t most, size_t *ret_count,
                           struct err *err)
{
        struct cel_program *program = NULL;
        struct cel_value input = cel_json(claims);
        struct cel_activation activation = {.values = &input, .count = 1};
        struct cel_eval eval = {.arena = arena, .activation = &activation, .cost_limit = COST_MAX};
        struct cel_value value;
        bool ok;

        if (!compile(oidc, expression, &program, err))
                return false;
        ok = cel_eval(program, &eval, &value, err) &&
             take_names(arena, value, ret_names, most, ret_count, err);
        cel_program_free(program);
        return ok;
}
