/* SPDX-License-Identifier: Apache-2.0 */
#include "cel/env.h"

#include "base/heap.h"

enum { ENV_MEMORY_MAX = 64 << 20 };

static uint32_t bucket_of(struct str name)
{
        uint32_t hash = 2166136261u;

        for (size_t i = 0; i < name.len; i++)
                hash = (hash ^ (unsigned char)name.ptr[i]) * 16777619u;
        return (hash ^ hash >> 15) % ENV_BUCKETS;
}

const struct variable *env_variable(const struct cel_env *env, struct str name)
{
        for (const struct variable *v = env->variables[bucket_of(name)]; v; v = v->next)
                if (str_eq(v->name, name))
                        return v;
        return NULL;
}

const struct function *env_function(const struct cel_env *env, struct str name)
{
        for (const struct function *f = env->functions[bucket_of(name)]; f; f = f->next)
                if (str_eq(f->name, name))
                        return f;
        return NULL;
}

static struct function *function_of(struct cel_env *env, struct str name)
{
        struct function *function = (struct function *)env_function(env, name);
        uint32_t bucket = bucket_of(name);

        if (function)
                return function;
        function = ARENA_NEW(&env->arena, struct function);
        if (!function)
                return NULL;
        function->name = arena_str(&env->arena, name);
        function->next = env->functions[bucket];
        env->functions[bucket] = function;
        function->older = env->newest_function;
        env->newest_function = function;
        return function;
}

static void add_overload(struct function *function, struct overload *overload)
{
        if (function->last)
                function->last->next = overload;
        else
                function->overloads = overload;
        function->last = overload;
}

static struct type_names known_types(const struct cel_env *env)
{
        return (struct type_names){env->opaques, env->opaque_count};
}

/* One signature at the front of *text: "string.(int, int) string". */
static bool read_signature(struct cel_env *env, struct str *text, struct overload *overload, struct err *err)
{
        const struct cel_type *params[6];
        struct type_names known = known_types(env);
        uint32_t count = 0;

        *text = str_trim(*text);
        if (text->ptr[0] != '(') {
                ptrdiff_t dot = str_find_str(*text, STR(".("));
                struct str receiver = str_slice(*text, 0, (size_t)dot);

                if (!type_read(&env->arena, &known, &receiver, &params[count++], err))
                        return false;
                overload->member = true;
                *text = str_slice(*text, (size_t)dot + 1, SIZE_MAX);
        }
        *text = str_slice(*text, 1, SIZE_MAX);
        while (text->ptr[0] != ')') {
                if (!type_read(&env->arena, &known, text, &params[count++], err))
                        return false;
                *text = str_trim(str_slice(*text, text->ptr[0] == ',', SIZE_MAX));
        }
        *text = str_slice(*text, 1, SIZE_MAX);
        overload->params = ARENA_ARRAY(&env->arena, const struct cel_type *, count);
        if (!overload->params)
                return arena_check(&env->arena, err);
        for (uint32_t i = 0; i < count; i++) {
                overload->params[i] = params[i];
                overload->generic |= params[i]->generic;
        }
        overload->count = count;
        return type_read(&env->arena, &known, text, &overload->result, err);
}

static bool add_library(struct cel_env *env, const struct library *library, struct err *err)
{
        for (size_t i = 0; i < library->count; i++) {
                const struct builtin *row = &library->rows[i];
                struct function *function = function_of(env, str_from(row->name));
                struct str rest = str_from(row->signatures);
                struct str signature;
                bool more;

                if (!function)
                        return arena_check(&env->arena, err);
                do {
                        struct overload *overload = ARENA_NEW(&env->arena, struct overload);

                        if (!overload)
                                return arena_check(&env->arena, err);
                        more = str_cut(&rest, ';', &signature);
                        overload->function = row->function;
                        overload->cost = 1;
                        if (!read_signature(env, &signature, overload, err))
                                return false;
                        overload->generic |= overload->result->generic;
                        add_overload(function, overload);
                } while (more);
        }
        return true;
}

static bool add_standard(struct cel_env *env, struct err *err)
{
        static const struct library *const libraries[] = {
                &library_operators, &library_convert,  &library_string,   &library_strings, &library_lists,
                &library_math,      &library_encoders, &library_optional, &library_time,    &library_network,
        };

        if (!cel_env_add_type(env, "optional_type", 1, err) || !cel_env_add_type(env, "net.IP", 0, err) ||
            !cel_env_add_type(env, "net.CIDR", 0, err))
                return false;
        for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++)
                if (!add_library(env, libraries[i], err))
                        return false;
        return true;
}

struct cel_env *cel_env_new(struct err *err)
{
        struct cel_env *env = heap_alloc_zeroed(1, sizeof(*env));

        if (!env) {
                err_set(err, ERR_NO_MEMORY, "no memory for an expression environment");
                return NULL;
        }
        arena_init(&env->arena, ENV_MEMORY_MAX);
        if (!add_standard(env, err)) {
                if (arena_failed(&env->arena))
                        err_set(err, ERR_NO_MEMORY, "no memory for an expression environment");
                cel_env_free(env);
                return NULL;
        }
        return env;
}

void cel_env_free(struct cel_env *env)
{
        if (!env)
                return;
        arena_done(&env->arena);
        heap_free(env);
}

bool cel_type_parse(struct cel_env *env, struct str text, const struct cel_type **ret, struct err *err)
{
        struct type_names known = known_types(env);
        struct str rest = text;

        if (!type_read(&env->arena, &known, &rest, ret, err))
                return arena_failed(&env->arena) ? err_set(err, ERR_NO_MEMORY, "no memory for a type")
                                                 : false;
        if (str_trim(rest).len > 0)
                return err_set(err, ERR_EXPRESSION, "\"%.*s\" does not end after the type", STR_ARG(text));
        return true;
}

bool cel_env_add_type(struct cel_env *env, const char *name, uint32_t parameters, struct err *err)
{
        if (env->opaque_count == env->opaque_room) {
                uint32_t room = env->opaque_room ? env->opaque_room * 2 : 8;
                struct opaque_name *more = ARENA_ARRAY(&env->arena, struct opaque_name, room);

                if (!more)
                        return arena_check(&env->arena, err);
                if (env->opaque_count > 0)
                        memcpy(more, env->opaques, env->opaque_count * sizeof(*more));
                env->opaques = more;
                env->opaque_room = room;
        }
        env->opaques[env->opaque_count++] =
                (struct opaque_name){arena_str(&env->arena, str_from(name)), parameters};
        return arena_check(&env->arena, err);
}

bool cel_env_set_container(struct cel_env *env, struct str container, struct err *err)
{
        env->container = arena_str(&env->arena, container);
        return arena_check(&env->arena, err);
}

static bool is_qualified_name(struct str name)
{
        bool start = true;

        for (size_t i = 0; i < name.len; i++) {
                char c = name.ptr[i];

                if (c == '.' && !start) {
                        start = true;
                        continue;
                }
                if (!(c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      (!start && c >= '0' && c <= '9')))
                        return false;
                start = false;
        }
        return !start;
}

bool cel_env_add_variable(struct cel_env *env, struct str name, const struct cel_type *type,
                          uint32_t *ret_slot, struct err *err)
{
        uint32_t bucket = bucket_of(name);
        struct variable *variable;

        if (!is_qualified_name(name))
                return err_set(err, ERR_EXPRESSION, "\"%.*s\" is no name for a variable", STR_ARG(name));
        if (env_variable(env, name))
                return err_set(err, ERR_EXPRESSION, "the variable \"%.*s\" is declared already",
                               STR_ARG(name));
        variable = ARENA_NEW(&env->arena, struct variable);
        if (!variable)
                return arena_check(&env->arena, err);
        variable->name = arena_str(&env->arena, name);
        variable->type = type;
        variable->slot = env->variable_count++;
        variable->next = env->variables[bucket];
        env->variables[bucket] = variable;
        variable->older = env->newest_variable;
        env->newest_variable = variable;
        if (ret_slot)
                *ret_slot = variable->slot;
        return arena_check(&env->arena, err);
}

bool cel_env_variable(struct cel_env *env, const char *name, const char *type, uint32_t *ret_slot,
                      struct err *err)
{
        const struct cel_type *parsed;

        return cel_type_parse(env, str_from(type), &parsed, err) &&
               cel_env_add_variable(env, str_from(name), parsed, ret_slot, err);
}

bool cel_env_slot(const struct cel_env *env, struct str name, uint32_t *ret_slot)
{
        const struct variable *variable = env_variable(env, name);

        if (variable)
                *ret_slot = variable->slot;
        return variable != NULL;
}

uint32_t cel_env_variable_count(const struct cel_env *env)
{
        return env->variable_count;
}

bool cel_env_add_function(struct cel_env *env, const struct cel_function_decl *decl, struct err *err)
{
        struct overload *overload;
        struct function *function;

        if (!is_qualified_name(str_from(decl->name)))
                return err_set(err, ERR_EXPRESSION, "\"%s\" is no name for a function", decl->name);
        if (decl->member && decl->param_count == 0)
                return err_set(err, ERR_EXPRESSION,
                               "the member function \"%s\" needs a parameter for its receiver", decl->name);
        overload = ARENA_NEW(&env->arena, struct overload);
        function = function_of(env, str_from(decl->name));
        if (!overload || !function)
                return arena_check(&env->arena, err);
        overload->params = ARENA_ARRAY(&env->arena, const struct cel_type *, decl->param_count);
        if (!overload->params)
                return arena_check(&env->arena, err);
        for (uint32_t i = 0; i < decl->param_count; i++) {
                if (!cel_type_parse(env, str_from(decl->params[i]), &overload->params[i], err))
                        return false;
                overload->generic |= overload->params[i]->generic;
        }
        if (!cel_type_parse(env, str_from(decl->result), &overload->result, err))
                return false;
        overload->generic |= overload->result->generic;
        overload->count = decl->param_count;
        overload->member = decl->member;
        overload->function = decl->function;
        overload->data = decl->data;
        overload->cost = decl->cost > 0 ? decl->cost : 1;
        add_overload(function, overload);
        function->host = true;
        return arena_check(&env->arena, err);
}

const struct cel_type *env_type(const struct cel_env *env, struct arena *arena, struct str name)
{
        struct type_names known = known_types(env);
        const struct cel_type *type;
        struct str rest = name;
        struct err ignored;

        if (name.len == 0 || (name.len == 1 && name.ptr[0] < 'a') || str_find(name, '(') >= 0 ||
            str_is(name, "timestamp") || str_is(name, "duration") || str_is(name, "wrapper"))
                return NULL;
        if (str_is(name, "optional_type"))
                return type_optional(arena, type_simple(TYPE_DYN));
        return type_read(arena, &known, &rest, &type, &ignored) ? type : NULL;
}
