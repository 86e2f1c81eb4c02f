/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/statement.h"

#include "base/base64.h"
#include "base/json_write.h"
#include "crypto/sha256.h"
#include "documents/fields.h"

enum {
        NAME_MAX_BYTES = 128,
        RULE_MAX_BYTES = 256, /* with the layer, and the policy with its version */
        REQUESTER_NAME_MAX_BYTES = 400,
        TARGET_NAME_MAX_BYTES = 512,
        FACT_MAX_BYTES = 1024
};

/* ---- building ---------------------------------------------------------------------------------- */

static void write_target(struct json_writer *w, const struct statement *statement)
{
        json_key(w, "target");
        json_object_begin(w);
        json_field_str(w, "name", statement->target_name);
        for (unsigned i = 0; i < statement->fact_count; i++) {
                json_key_str(w, statement->facts[i].name);
                json_str(w, statement->facts[i].value);
        }
        json_object_end(w);
}

static void write_requirement(struct json_writer *w, const struct statement *statement)
{
        json_key(w, "requirement");
        json_object_begin(w);
        json_field_int(w, "decisions", statement->decisions);
        json_key(w, "roles");
        json_array_begin(w);
        for (unsigned i = 0; i < statement->role_count; i++)
                json_str(w, statement->roles[i]);
        json_array_end(w);
        json_object_end(w);
}

static void write_statement(struct buf *buf, const struct statement *statement, struct str parameters)
{
        struct json_writer w;

        json_writer_init(&w, buf);
        json_object_begin(&w);
        json_field_c(&w, "format", STATEMENT_FORMAT);
        json_field_str(&w, "action", statement->action);
        json_field_str(&w, "tenant", statement->tenant);
        json_field_str(&w, "workspace", statement->workspace);
        json_field_str(&w, "environment", statement->environment);
        json_field_str(&w, "connector", statement->connector);
        json_field_str(&w, "operation", statement->operation);
        json_field_c(&w, "effect", effect_name(statement->effect));
        if (statement->has_target)
                write_target(&w, statement);
        json_key(&w, "parameters");
        json_raw(&w, parameters);
        json_key(&w, "requester");
        json_object_begin(&w);
        json_field_str(&w, "id", statement->requester_id);
        json_field_str(&w, "kind", statement->requester_kind);
        json_field_str(&w, "name", statement->requester_name);
        json_object_end(&w);
        json_field_str(&w, "rule", statement->rule);
        if (statement->decisions > 0)
                write_requirement(&w, statement);
        json_field_str(&w, "policy", statement->policy);
        json_field_str(&w, "nonce", statement->nonce);
        json_field_int(&w, "created_ms", statement->created_ms);
        json_field_int(&w, "expires_ms", statement->expires_ms);
        json_object_end(&w);
}

bool statement_build(struct arena *arena, const struct statement *statement, struct str *ret_bytes,
                     struct err *err)
{
        BUF_SCOPED parameters;
        BUF_SCOPED text;
        BUF_SCOPED canonical;
        struct statement again;
        struct json tree;

        buf_init(&parameters, STATEMENT_MAX_BYTES);
        buf_init(&text, 2 * STATEMENT_MAX_BYTES);
        buf_init(&canonical, STATEMENT_MAX_BYTES);
        json_append_canonical(&parameters, &statement->parameters);
        if (!buf_check(&parameters, "the parameters", err))
                return false;
        write_statement(&text, statement, buf_str(&parameters));
        if (!buf_check(&text, "the statement", err) || !json_parse(arena, buf_str(&text), &tree, err))
                return err_prefix(err, "building the statement");
        json_append_canonical(&canonical, &tree);
        if (!buf_check(&canonical, "the statement", err))
                return false;
        *ret_bytes = arena_str(arena, buf_str(&canonical));
        if (!arena_check(arena, err))
                return false;
        /* What we would refuse to read must never be signed. */
        if (!statement_parse(arena, *ret_bytes, &again, err)) {
                err->code = ERR_INTERNAL;
                return err_prefix(err, "a statement was built that cannot be read");
        }
        return true;
}

/* ---- parsing ----------------------------------------------------------------------------------- */

static bool parse_target(const struct fields *outer, struct statement *ret, struct err *err)
{
        struct fields target = {.path = "/target"};

        if (!fields_of_type(outer, "target", JSON_OBJECT, &target.object, err) ||
            !fields_text(&target, "name", 1, TARGET_NAME_MAX_BYTES, &ret->target_name, err))
                return false;
        ret->has_target = true;
        for (uint32_t i = 0; i < target.object->count; i++) {
                const struct json_member *member = &target.object->members[i];

                if (str_is(member->key, "name"))
                        continue;
                if (ret->fact_count == STATEMENT_FACTS_MAX)
                        return fields_refuse(&target, "", err, "more than %d facts", STATEMENT_FACTS_MAX);
                if (member->value.type != JSON_STRING || member->value.string.len == 0 ||
                    member->value.string.len > FACT_MAX_BYTES || member->key.len > 64)
                        return fields_refuse(&target, "", err, "every fact must be a text of 1 to %d bytes",
                                             FACT_MAX_BYTES);
                ret->facts[ret->fact_count++] =
                        (struct statement_fact){.name = member->key, .value = member->value.string};
        }
        return true;
}

static bool parse_requirement(const struct fields *outer, struct statement *ret, struct err *err)
{
        static const char *const names[] = {"decisions", "roles", NULL};
        struct fields requirement = {.path = "/requirement"};
        const struct json *roles;
        int64_t decisions;

        if (!fields_of_type(outer, "requirement", JSON_OBJECT, &requirement.object, err) ||
            !fields_exact(&requirement, names, err) ||
            /* Zero would be an approval that nobody gave. */
            !fields_int(&requirement, "decisions", 1, STATEMENT_DECISIONS_MAX, &decisions, err) ||
            !fields_of_type(&requirement, "roles", JSON_ARRAY, &roles, err))
                return false;
        if (roles->count == 0 || roles->count > STATEMENT_ROLES_MAX)
                return fields_refuse(&requirement, "roles", err, "there must be 1 to %d roles",
                                     STATEMENT_ROLES_MAX);
        for (uint32_t i = 0; i < roles->count; i++) {
                if (roles->items[i].type != JSON_STRING || roles->items[i].string.len == 0 ||
                    roles->items[i].string.len > 64)
                        return fields_refuse(&requirement, "roles", err, "every role must be a name");
                ret->roles[i] = roles->items[i].string;
        }
        ret->role_count = roles->count;
        ret->decisions = (unsigned)decisions;
        return true;
}

static bool parse_requester(const struct fields *outer, struct statement *ret, struct err *err)
{
        static const char *const names[] = {"id", "kind", "name", NULL};
        struct fields requester = {.path = "/requester"};

        if (!fields_of_type(outer, "requester", JSON_OBJECT, &requester.object, err) ||
            !fields_exact(&requester, names, err) ||
            !fields_id(&requester, "id", NULL, &ret->requester_id, err) ||
            !fields_text(&requester, "kind", 1, 32, &ret->requester_kind, err) ||
            !fields_text(&requester, "name", 1, REQUESTER_NAME_MAX_BYTES, &ret->requester_name, err))
                return false;
        if (!str_is(ret->requester_kind, "user") && !str_is(ret->requester_kind, "service") &&
            !str_is(ret->requester_kind, "agent"))
                return fields_refuse(&requester, "kind", err, "\"%.*s\" cannot ask for actions",
                                     STR_ARG(ret->requester_kind));
        return true;
}

/* Parameters are integers, booleans, texts, and arrays and objects of them. */
static bool values_are_plain(const struct json *value)
{
        switch (value->type) {
        case JSON_BOOL:
        case JSON_STRING:
                return true;
        case JSON_INT:
                return value->integer >= -FIELDS_INTEGER_MAX && value->integer <= FIELDS_INTEGER_MAX;
        case JSON_ARRAY:
                for (uint32_t i = 0; i < value->count; i++)
                        if (!values_are_plain(&value->items[i]))
                                return false;
                return true;
        case JSON_OBJECT:
                for (uint32_t i = 0; i < value->count; i++)
                        if (!values_are_plain(&value->members[i].value))
                                return false;
                return true;
        case JSON_NULL:
        case JSON_UINT:
        case JSON_DOUBLE:
                break;
        }
        return false;
}

static bool parse_what(const struct fields *fields, struct statement *ret, struct err *err)
{
        const struct json *parameters;
        struct str effect;

        if (!fields_text(fields, "environment", 1, 32, &ret->environment, err) ||
            !fields_text(fields, "connector", 1, 32, &ret->connector, err) ||
            !fields_text(fields, "operation", 1, 64, &ret->operation, err) ||
            !fields_text(fields, "effect", 1, 32, &effect, err) ||
            !fields_of_type(fields, "parameters", JSON_OBJECT, &parameters, err))
                return false;
        if (!effect_from(effect, &ret->effect))
                return fields_refuse(fields, "effect", err, "\"%.*s\" is no effect", STR_ARG(effect));
        if (!values_are_plain(parameters))
                return fields_refuse(fields, "parameters", err,
                                     "only integers below 2^53, booleans, texts, arrays and objects");
        ret->parameters = *parameters;
        return !fields_has(fields, "target") || parse_target(fields, ret, err);
}

static bool parse_when(struct arena *arena, const struct fields *fields, struct statement *ret,
                       struct err *err)
{
        struct str nonce;

        if (!fields_text(fields, "nonce", 22, 22, &ret->nonce, err) ||
            !fields_int(fields, "created_ms", 0, FIELDS_INTEGER_MAX, &ret->created_ms, err) ||
            !fields_int(fields, "expires_ms", 0, FIELDS_INTEGER_MAX, &ret->expires_ms, err))
                return false;
        if (!base64url_decode(arena, ret->nonce, &nonce) || nonce.len != STATEMENT_NONCE_BYTES)
                return fields_refuse(fields, "nonce", err, "the nonce is not base64url of %d bytes",
                                     STATEMENT_NONCE_BYTES);
        if (ret->expires_ms <= ret->created_ms)
                return fields_refuse(fields, "expires_ms", err, "the statement expires before it begins");
        return true;
}

bool statement_parse(struct arena *arena, struct str bytes, struct statement *ret, struct err *err)
{
        static const char *const names[] = {
                "format",       "action", "tenant",  "workspace",  "environment", "connector",
                "operation",    "effect", "?target", "parameters", "requester",   "rule",
                "?requirement", "policy", "nonce",   "created_ms", "expires_ms",  NULL,
        };
        struct fields fields = {.path = ""};
        struct json root;

        *ret = (struct statement){0};
        if (!fields_parse(arena, bytes, STATEMENT_MAX_BYTES, "statement", &root, err))
                return false;
        fields.object = &root;
        return fields_exact(&fields, names, err) && fields_format(&fields, STATEMENT_FORMAT, err) &&
               fields_id(&fields, "action", "act", &ret->action, err) &&
               fields_id(&fields, "tenant", "ten", &ret->tenant, err) &&
               fields_id(&fields, "workspace", "wsp", &ret->workspace, err) &&
               parse_what(&fields, ret, err) && parse_requester(&fields, ret, err) &&
               fields_text(&fields, "rule", 1, RULE_MAX_BYTES, &ret->rule, err) &&
               (!fields_has(&fields, "requirement") || parse_requirement(&fields, ret, err)) &&
               fields_sha256(&fields, "policy", &ret->policy, err) && parse_when(arena, &fields, ret, err);
}

/* ---- against the catalogue ----------------------------------------------------------------------- */

static bool refuse(struct err *err, const char *place, const struct err *why)
{
        return err_set_at(err, ERR_BAD_ENVELOPE, place, "%s", why->message);
}

static bool check_target(const struct statement *statement, const struct catalogue_operation *operation,
                         struct err *err)
{
        unsigned count;
        const struct target_fact *facts = target_kind_facts(operation->target, &count);
        struct err why;

        if (statement->has_target != (operation->target != TARGET_NONE))
                return err_set_at(err, ERR_BAD_ENVELOPE, "/target", "%s acts on %s%s", operation->name,
                                  operation->target == TARGET_NONE ? "no target" : "a target of kind ",
                                  operation->target == TARGET_NONE ? ""
                                                                   : target_kind_name(operation->target));
        if (!statement->has_target)
                return true;
        if (!target_check(operation->target, statement->target_name, &why))
                return refuse(err, "/target/name", &why);
        for (unsigned i = 0; i < statement->fact_count; i++)
                if (!target_fact_check(operation->target, statement->facts[i].name,
                                       statement->facts[i].value, &why))
                        return refuse(err, "/target", &why);
        for (unsigned i = 0; i < count; i++)
                if (facts[i].required && !statement_fact(statement, facts[i].name).ptr)
                        return err_set_at(err, ERR_BAD_ENVELOPE, "/target",
                                          "the target's fact \"%s\" is missing", facts[i].name);
        return true;
}

bool statement_check(const struct statement *statement, const struct catalogue_operation **ret_operation,
                     struct err *err)
{
        const struct catalogue_operation *operation =
                catalogue_find(statement->connector, statement->operation);
        struct err why;

        if (!operation)
                return err_set_at(err, ERR_BAD_ENVELOPE, "/operation",
                                  "the operation %.*s of the connector %.*s is not in the catalogue",
                                  STR_ARG(statement->operation), STR_ARG(statement->connector));
        if (operation->effect != statement->effect)
                return err_set_at(err, ERR_BAD_ENVELOPE, "/effect",
                                  "%s has the effect \"%s\", not \"%s\" as the statement says",
                                  operation->name, effect_name(operation->effect),
                                  effect_name(statement->effect));
        if (!check_target(statement, operation, err))
                return false;
        if (!catalogue_parameters_check(operation, &statement->parameters, &why))
                return refuse(err, why.place, &why);
        if (statement->decisions == 0 && operation->effect != EFFECT_READS)
                return err_set_at(err, ERR_BAD_ENVELOPE, "/requirement",
                                  "%s %s something, so the statement must require decisions",
                                  operation->name, effect_name(operation->effect));
        *ret_operation = operation;
        return true;
}

struct str statement_fact(const struct statement *statement, const char *name)
{
        for (unsigned i = 0; i < statement->fact_count; i++)
                if (str_is(statement->facts[i].name, name))
                        return statement->facts[i].value;
        return STR_NULL;
}

bool statement_has_role(const struct statement *statement, struct str role)
{
        for (unsigned i = 0; i < statement->role_count; i++)
                if (str_eq(statement->roles[i], role))
                        return true;
        return false;
}

struct str statement_digest(struct arena *arena, struct str bytes)
{
        struct sha256 hash;
        char text[SHA256_HEX_SIZE];

        sha256_of(bytes, &hash);
        sha256_format(&hash, text);
        return arena_str(arena, str_from(text));
}
