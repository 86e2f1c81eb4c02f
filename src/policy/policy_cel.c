/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_cel.h"

#include <pthread.h>
#include <stdlib.h>

/* In the order of their declaration; an activation's slots. */
enum slot {
        SLOT_CONNECTOR,
        SLOT_OPERATION,
        SLOT_EFFECT,
        SLOT_REPEATABLE,
        SLOT_ENVIRONMENT,
        SLOT_TARGET,
        SLOT_PARAMETERS,
        SLOT_REQUESTER_ID,
        SLOT_REQUESTER_KIND,
        SLOT_REQUESTER_RISK,
        SLOT_REQUESTER_SCOPE,
        SLOT_TENANT_ID,
        SLOT_TENANT_TIER,
        SLOT_WORKSPACE_ID,
        SLOT_WORKSPACE_DATA_MODE,
        SLOT_WORKSPACE_LABELS,
        SLOT_TIME,
        SLOT_COUNT,
};

static const struct {
        const char *name, *type;
} variables[SLOT_COUNT] = {
        [SLOT_CONNECTOR] = {"operation.connector", "string"},
        [SLOT_OPERATION] = {"operation.name", "string"},
        [SLOT_EFFECT] = {"operation.effect", "string"},
        [SLOT_REPEATABLE] = {"operation.repeatable", "bool"},
        [SLOT_ENVIRONMENT] = {"environment", "string"},
        [SLOT_TARGET] = {"target", "string"},
        [SLOT_PARAMETERS] = {"parameters", "map(string, dyn)"},
        [SLOT_REQUESTER_ID] = {"requester.id", "string"},
        [SLOT_REQUESTER_KIND] = {"requester.kind", "string"},
        [SLOT_REQUESTER_RISK] = {"requester.risk", "string"},
        [SLOT_REQUESTER_SCOPE] = {"requester.scope", "string"},
        [SLOT_TENANT_ID] = {"tenant.id", "string"},
        [SLOT_TENANT_TIER] = {"tenant.tier", "string"},
        [SLOT_WORKSPACE_ID] = {"workspace.id", "string"},
        [SLOT_WORKSPACE_DATA_MODE] = {"workspace.data_mode", "string"},
        [SLOT_WORKSPACE_LABELS] = {"workspace.labels", "map(string, string)"},
        [SLOT_TIME] = {"time", "timestamp"},
};

/* Made once, then only read. */
static struct {
        pthread_once_t once;
        struct cel_env *env;
        const struct cel_type *boolean;
} world = {.once = PTHREAD_ONCE_INIT};

static void make_world(void)
{
        struct err err;
        bool ok;

        world.env = cel_env_new(&err);
        ok = world.env && cel_type_parse(world.env, STR("bool"), &world.boolean, &err);
        for (uint32_t i = 0; ok && i < SLOT_COUNT; i++) {
                uint32_t slot;

                ok = cel_env_variable(world.env, variables[i].name, variables[i].type, &slot, &err) &&
                     slot == i;
        }
        if (!ok)
                abort(); /* a table of ours that is wrong, or no memory for a few KiB */
}

bool policy_condition_compile(struct str text, struct cel_program **ret, struct err *err)
{
        struct cel_options options;

        (void)pthread_once(&world.once, make_world);
        options = (struct cel_options){.result = world.boolean,
                                       .cost_max = POLICY_CONDITION_COST,
                                       .source_max_bytes = POLICY_CONDITION_BYTES};
        return cel_compile(world.env, text, &options, ret, err);
}

static struct cel_value text_value(struct str text)
{
        return cel_string(text.ptr ? text : STR(""));
}

static struct cel_value object_value(const struct json *object)
{
        static const struct json no_members = {.type = JSON_OBJECT};

        return cel_json(object ? object : &no_members);
}

static struct cel_value time_value(int64_t time_ms)
{
        int64_t seconds = time_ms / 1000;
        int64_t rest = time_ms % 1000;

        if (rest < 0) {
                rest += 1000;
                seconds--;
        }
        return cel_timestamp(seconds, (uint32_t)rest * 1000000);
}

bool policy_condition_holds(const struct cel_program *program, const struct policy_input *input,
                            struct arena *arena, struct cel_trace *trace, bool *ret, struct err *err)
{
        const struct cel_value values[SLOT_COUNT] = {
                [SLOT_CONNECTOR] = text_value(str_from(input->operation->connector)),
                [SLOT_OPERATION] = text_value(str_from(input->operation->name)),
                [SLOT_EFFECT] = text_value(str_from(effect_name(input->operation->effect))),
                [SLOT_REPEATABLE] = cel_bool(input->operation->repeatable),
                [SLOT_ENVIRONMENT] = text_value(input->environment),
                [SLOT_TARGET] = text_value(input->target),
                [SLOT_PARAMETERS] = object_value(input->parameters),
                [SLOT_REQUESTER_ID] = text_value(input->requester_id),
                [SLOT_REQUESTER_KIND] = text_value(input->requester_kind),
                [SLOT_REQUESTER_RISK] = text_value(input->requester_risk),
                [SLOT_REQUESTER_SCOPE] = text_value(input->requester_scope),
                [SLOT_TENANT_ID] = text_value(input->tenant),
                [SLOT_TENANT_TIER] = text_value(input->tier),
                [SLOT_WORKSPACE_ID] = text_value(input->workspace),
                [SLOT_WORKSPACE_DATA_MODE] = text_value(input->data_mode),
                [SLOT_WORKSPACE_LABELS] = object_value(input->labels),
                [SLOT_TIME] = time_value(input->time_ms),
        };
        const struct cel_activation activation = {.values = values, .count = SLOT_COUNT};
        struct cel_eval eval = {.arena = arena,
                                .activation = &activation,
                                .cost_limit = POLICY_CONDITION_COST,
                                .trace = trace};

        return cel_eval_bool(program, &eval, ret, err);
}
