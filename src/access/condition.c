/* SPDX-License-Identifier: Apache-2.0 */
#include "access/condition.h"

#include "base/heap.h"

/* In the order of their declaration; an activation's slots. */
enum slot {
        SLOT_TIME,
        SLOT_ENVIRONMENT,
        SLOT_NETWORK_ADDRESS,
        SLOT_RESOURCE_TYPE,
        SLOT_RESOURCE_ID,
        SLOT_RESOURCE_OWNER,
        SLOT_RESOURCE_TENANT,
        SLOT_RESOURCE_ORGANIZATION,
        SLOT_RESOURCE_WORKSPACE,
        SLOT_RESOURCE_REGION,
        SLOT_RESOURCE_DATA_MODE,
        SLOT_RESOURCE_LABELS,
        SLOT_RESOURCE_PROPERTIES,
        SLOT_ACTION_NAME,
        SLOT_ACTION_OPERATION,
        SLOT_ACTION_PROPERTIES,
        SLOT_CONTEXT,
        SLOT_PRINCIPAL_ID,
        SLOT_PRINCIPAL_KIND,
        SLOT_PRINCIPAL_NAME,
        SLOT_PRINCIPAL_GROUPS,
        SLOT_PRINCIPAL_PROPERTIES,
        SLOT_AUTHENTICATION_METHODS,
        SLOT_AUTHENTICATION_AGE,
        SLOT_AUTHENTICATION_SECOND_FACTOR,
        SLOT_AUTHENTICATION_SECOND_FACTOR_AGE,
        SLOT_COUNT,
};

static const struct {
        const char *name;
        const char *type;
        bool late;  /* only the handler knows it */
        bool place; /* a fact of the workspace */
} variables[SLOT_COUNT] = {
        [SLOT_TIME] = {"time", "timestamp", false, false},
        [SLOT_ENVIRONMENT] = {"environment", "string", true, false},
        [SLOT_NETWORK_ADDRESS] = {"network.address", "string", false, false},
        [SLOT_RESOURCE_TYPE] = {"resource.type", "string", true, false},
        [SLOT_RESOURCE_ID] = {"resource.id", "string", true, false},
        [SLOT_RESOURCE_OWNER] = {"resource.owner", "string", true, true},
        [SLOT_RESOURCE_TENANT] = {"resource.tenant", "string", false, false},
        [SLOT_RESOURCE_ORGANIZATION] = {"resource.organization", "string", false, true},
        [SLOT_RESOURCE_WORKSPACE] = {"resource.workspace", "string", false, false},
        [SLOT_RESOURCE_REGION] = {"resource.region", "string", false, true},
        [SLOT_RESOURCE_DATA_MODE] = {"resource.data_mode", "string", false, true},
        [SLOT_RESOURCE_LABELS] = {"resource.labels", "map(string, string)", false, true},
        [SLOT_RESOURCE_PROPERTIES] = {"resource.properties", "map(string, dyn)", false, false},
        [SLOT_ACTION_NAME] = {"action.name", "string", false, false},
        [SLOT_ACTION_OPERATION] = {"action.operation", "string", false, false},
        [SLOT_ACTION_PROPERTIES] = {"action.properties", "map(string, dyn)", false, false},
        [SLOT_CONTEXT] = {"context", "map(string, dyn)", false, false},
        [SLOT_PRINCIPAL_ID] = {"principal.id", "string", false, false},
        [SLOT_PRINCIPAL_KIND] = {"principal.kind", "string", false, false},
        [SLOT_PRINCIPAL_NAME] = {"principal.name", "string", false, false},
        [SLOT_PRINCIPAL_GROUPS] = {"principal.groups", "list(string)", false, false},
        [SLOT_PRINCIPAL_PROPERTIES] = {"principal.properties", "map(string, dyn)", false, false},
        [SLOT_AUTHENTICATION_METHODS] = {"authentication.methods", "list(string)", false, false},
        [SLOT_AUTHENTICATION_AGE] = {"authentication.age", "duration", false, false},
        [SLOT_AUTHENTICATION_SECOND_FACTOR] = {"authentication.second_factor", "bool", false, false},
        [SLOT_AUTHENTICATION_SECOND_FACTOR_AGE] = {"authentication.second_factor_age", "duration", false,
                                                   false},
};

struct condition_env {
        struct cel_env *cel;
        const struct cel_type *boolean;
};

struct condition_env *condition_env_new(struct err *err)
{
        struct condition_env *env = heap_alloc_zeroed(1, sizeof(*env));
        bool ok;

        if (!env) {
                (void)err_set(err, ERR_NO_MEMORY, "no memory for the names of conditions");
                return NULL;
        }
        env->cel = cel_env_new(err);
        ok = env->cel && cel_type_parse(env->cel, STR("bool"), &env->boolean, err);
        for (uint32_t i = 0; ok && i < SLOT_COUNT; i++) {
                uint32_t slot;

                ok = cel_env_variable(env->cel, variables[i].name, variables[i].type, &slot, err) &&
                     (slot == i ||
                      err_set(err, ERR_INTERNAL, "the slot of %s is %u", variables[i].name, slot));
        }
        if (ok)
                return env;
        condition_env_free(env);
        return NULL;
}

void condition_env_free(struct condition_env *env)
{
        if (!env)
                return;
        cel_env_free(env->cel);
        heap_free(env);
}

bool condition_compile(const struct condition_env *env, struct str text, struct cel_program **ret,
                       struct err *err)
{
        const struct cel_options options = {.result = env->boolean,
                                            .cost_max = CONDITION_COST_MAX,
                                            .source_max_bytes = CONDITION_MAX_BYTES};

        return cel_compile(env->cel, text, &options, ret, err);
}

bool condition_is_late(const struct condition_env *env, const struct cel_program *program)
{
        (void)env;
        for (uint32_t i = 0; i < SLOT_COUNT; i++)
                if (variables[i].late && cel_program_uses(program, i))
                        return true;
        return false;
}

bool condition_needs_place(const struct condition_env *env, const struct cel_program *program)
{
        (void)env;
        for (uint32_t i = 0; i < SLOT_COUNT; i++)
                if (variables[i].place && cel_program_uses(program, i))
                        return true;
        return false;
}

/* ---- values ------------------------------------------------------------------------------------ */

static struct cel_value text_value(struct str text)
{
        return cel_string(text.ptr ? text : STR(""));
}

static const struct json no_members = {.type = JSON_OBJECT};

static struct cel_value object_value(const struct json *object)
{
        return cel_json(object ? object : &no_members);
}

static struct cel_value strings_value(struct cel_call *call, const struct str *items, size_t count)
{
        struct cel_value *list = ARENA_ARRAY(cel_call_arena(call), struct cel_value, count);

        if (!list)
                return cel_fail(call, "no memory");
        for (size_t i = 0; i < count; i++)
                list[i] = cel_string(items[i]);
        return cel_list(list, (uint32_t)count);
}

static struct cel_value methods_value(struct cel_call *call, struct str methods)
{
        struct str items[16];
        size_t count = 0;

        while (methods.len > 0 && count < 16) {
                (void)str_cut(&methods, ' ', &items[count]);
                if (items[count].len > 0)
                        count++;
        }
        return strings_value(call, items, count);
}

static struct cel_value since_value(struct cel_call *call, const struct access_facts *facts, int64_t then_ms,
                                    const char *what)
{
        if (then_ms <= 0)
                return cel_fail(call, "%s", what);
        return cel_duration((facts->now_ms - then_ms) * 1000000);
}

static struct cel_value resource_value(const struct access_facts *facts, uint32_t slot)
{
        switch (slot) {
        case SLOT_RESOURCE_TYPE:
                return text_value(facts->resource_type);
        case SLOT_RESOURCE_ID:
                return text_value(facts->resource_id);
        case SLOT_RESOURCE_OWNER:
                return text_value(facts->resource_owner);
        case SLOT_RESOURCE_TENANT:
                return text_value(facts->tenant);
        case SLOT_RESOURCE_ORGANIZATION:
                return text_value(facts->organization);
        case SLOT_RESOURCE_WORKSPACE:
                return text_value(facts->workspace);
        case SLOT_RESOURCE_REGION:
                return text_value(facts->region);
        case SLOT_RESOURCE_DATA_MODE:
                return text_value(facts->data_mode);
        case SLOT_RESOURCE_LABELS:
                return object_value(facts->labels);
        default:
                return object_value(facts->properties);
        }
}

static struct cel_value principal_value(const struct access_facts *facts, struct cel_call *call,
                                        uint32_t slot)
{
        const struct principal *principal = facts->principal;

        switch (slot) {
        case SLOT_PRINCIPAL_ID:
                return text_value(id_str(&principal->id));
        case SLOT_PRINCIPAL_KIND:
                return text_value(str_from(principal_kind_name(principal->kind)));
        case SLOT_PRINCIPAL_NAME:
                return text_value(principal->name);
        case SLOT_PRINCIPAL_GROUPS:
                return strings_value(call, facts->groups, facts->group_count);
        case SLOT_PRINCIPAL_PROPERTIES:
                return object_value(facts->principal_properties);
        case SLOT_AUTHENTICATION_METHODS:
                return methods_value(call, principal->methods);
        case SLOT_AUTHENTICATION_AGE:
                return since_value(call, facts, principal->authenticated_ms,
                                   "it is not known when the caller authenticated");
        case SLOT_AUTHENTICATION_SECOND_FACTOR:
                return cel_bool(principal->second_factor_ms > 0);
        default:
                return since_value(call, facts, principal->second_factor_ms,
                                   "no second factor was shown in this session");
        }
}

static struct cel_value fetch(void *data, struct cel_call *call, uint32_t slot)
{
        const struct access_facts *facts = data;

        if (slot >= SLOT_RESOURCE_TYPE && slot <= SLOT_RESOURCE_PROPERTIES)
                return resource_value(facts, slot);
        if (slot >= SLOT_PRINCIPAL_ID)
                return principal_value(facts, call, slot);
        switch (slot) {
        case SLOT_TIME:
                return cel_timestamp(facts->now_ms / 1000, (uint32_t)(facts->now_ms % 1000) * 1000000);
        case SLOT_ENVIRONMENT:
                return text_value(facts->environment);
        case SLOT_NETWORK_ADDRESS:
                return text_value(facts->peer);
        case SLOT_ACTION_NAME:
                return text_value(facts->permission);
        case SLOT_ACTION_OPERATION:
                return text_value(facts->operation);
        case SLOT_ACTION_PROPERTIES:
                return object_value(facts->action_properties);
        default:
                return object_value(facts->context);
        }
}

enum condition_outcome condition_evaluate(const struct condition_env *env, const struct cel_program *program,
                                          bool late, const struct access_facts *facts, struct arena *scratch,
                                          struct cel_trace *trace, struct err *ret_failed)
{
        struct cel_activation activation = {.fetch = fetch, .data = (void *)(uintptr_t)facts};
        struct cel_eval eval = {.arena = scratch,
                                .activation = &activation,
                                .cost_limit = CONDITION_COST_MAX,
                                .trace = trace};
        struct arena_mark mark = arena_mark(scratch);
        struct err err;
        bool holds = false;
        bool ok;

        (void)env;
        if (late && facts->partial)
                return CONDITION_UNKNOWN;
        ok = cel_eval_bool(program, &eval, &holds, &err);
        if (!trace)
                arena_rewind(scratch, mark);
        if (ok)
                return holds ? CONDITION_TRUE : CONDITION_FALSE;
        if (ret_failed)
                *ret_failed = err;
        return CONDITION_FAILED;
}

/* ---- many of them -------------------------------------------------------------------------------- */

void condition_many_begin(const struct cel_many *many, const struct access_facts *facts,
                          struct arena *scratch, struct condition_many *ret)
{
        ret->activation = (struct cel_activation){.fetch = fetch, .data = (void *)(uintptr_t)facts};
        ret->scratch = scratch;
        ret->mark = arena_mark(scratch);
        cel_many_begin(many, &ret->activation, scratch, &ret->eval);
}

uint32_t condition_many_find(struct condition_many *many, const uint32_t *conditions, uint32_t count,
                             bool failed)
{
        enum cel_holds holds;

        return cel_many_find(&many->eval, conditions, 0, count, failed, &holds);
}

void condition_many_end(struct condition_many *many)
{
        arena_rewind(many->scratch, many->mark);
}
