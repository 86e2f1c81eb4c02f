/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OpenID AuthZEN Authorization API 1.0: decisions for other programs. Their
 * subjects are our principals, by id or by the name that the program uses
 * (subject_create); their actions are our permissions, or the tenant's own.
 */
#include "access/access_sql.h"
#include "access/ask.h"
#include "api/api_handlers.h"
#include "api/services.h"

#include <stdio.h>

/* One evaluation, with what it takes over from the request around it. */
struct evaluation {
        const struct json *subject;
        const struct json *action;
        const struct json *resource;
        const struct json *context;
};

static bool malformed(struct err *err, const char *what)
{
        return err_set(err, ERR_BAD_REQUEST, "%s is missing, or is not a string", what);
}

/* Section 5: subject, action and resource, with what each must have. */
static bool check(const struct evaluation *e, struct err *err)
{
        if (!json_get_string(e->subject, "type").ptr)
                return malformed(err, "subject.type");
        if (!json_get_string(e->subject, "id").ptr)
                return malformed(err, "subject.id");
        if (!json_get_string(e->action, "name").ptr)
                return malformed(err, "action.name");
        if (!json_get_string(e->resource, "type").ptr)
                return malformed(err, "resource.type");
        if (!json_get_string(e->resource, "id").ptr)
                return malformed(err, "resource.id");
        return true;
}

/* The principal's id, or {NULL, 0} for somebody whom we do not know. */
static bool find_subject(struct request *req, const struct json *subject, struct str *ret, struct err *err)
{
        struct str type = json_get_string(subject, "type");
        struct str id = json_get_string(subject, "id");
        struct sql_access_subject_get_row row;
        struct sql_access_principal_get_row principal;
        bool found;

        *ret = STR_NULL;
        if (!sql_access_subject_get(req->tx, type, id, &row, &found, err))
                return false;
        if (found) {
                *ret = row.principal_id;
                return true;
        }
        if (!id_is_any(id))
                return true;
        if (!sql_access_principal_get(req->tx, id, &principal, &found, err))
                return false;
        if (found && str_eq(principal.kind, type))
                *ret = id;
        return true;
}

static struct str permission_of(struct arena *arena, struct str name)
{
        enum permission permission;

        if (permission_from(name, &permission) || str_starts(name, STR("x:")))
                return name;
        return arena_printf(arena, "x:%.*s", STR_ARG(name));
}

static const struct json *object_of(const struct json *value, const char *key)
{
        const struct json *found = json_get(value, key);

        return found && found->type == JSON_OBJECT ? found : NULL;
}

static bool evaluate(struct request *req, const struct evaluation *e, bool *ret, struct err *err)
{
        struct access_ask ask = {
                .operation = STR(""),
                .resource_type = json_get_string(e->resource, "type"),
                .resource_id = json_get_string(e->resource, "id"),
                .now_ms = req->now_ms,
                .principal_properties = object_of(e->subject, "properties"),
                .action_properties = object_of(e->action, "properties"),
                .properties = object_of(e->resource, "properties"),
                .context = e->context,
        };
        bool ok;

        *ret = false;
        if (!check(e, err) || !find_subject(req, e->subject, &ask.principal, err))
                return false;
        if (!ask.principal.ptr)
                return true; /* somebody whom nothing gives anything */
        ask.permission = permission_of(req->arena, json_get_string(e->action, "name"));
        ok = arena_check(req->arena, err) && access_ask_decide(req, &ask, err);
        *ret = ok && ask.answer.verdict == ACCESS_ALLOW;
        access_ask_done(&ask);
        return ok;
}

/* "X-Request-ID … the PDP MUST include it in the response." (section 10.1.3) */
static void say_request_id(struct request *req, struct str id)
{
        if (id.ptr)
                request_set_header(req, "X-Request-Id", id);
}

bool authzen_evaluate(struct request *req, const struct api_authzen_evaluate_in *in,
                      struct api_authzen_decision *out, struct err *err)
{
        const struct evaluation e = {in->body.subject.value, in->body.action.value, in->body.resource.value,
                                     in->body.context.value};

        say_request_id(req, in->x_request_id);
        return evaluate(req, &e, &out->decision, err);
}

/* ---- several -------------------------------------------------------------------------------------- */

enum semantic { EXECUTE_ALL, DENY_ON_FIRST_DENY, PERMIT_ON_FIRST_PERMIT };

static bool read_semantic(const struct json *options, enum semantic *ret, struct err *err)
{
        const struct json *value = json_get(options, "evaluations_semantic");

        *ret = EXECUTE_ALL;
        if (!value || (value->type == JSON_STRING && str_is(value->string, "execute_all")))
                return true;
        if (value->type == JSON_STRING && str_is(value->string, "deny_on_first_deny"))
                *ret = DENY_ON_FIRST_DENY;
        else if (value->type == JSON_STRING && str_is(value->string, "permit_on_first_permit"))
                *ret = PERMIT_ON_FIRST_PERMIT;
        else
                return err_set(err, ERR_BAD_REQUEST,
                               "options.evaluations_semantic is execute_all, deny_on_first_deny or "
                               "permit_on_first_permit");
        return true;
}

/* What fails in one evaluation is its answer, and no matter of the others (section 7.2.1). */
static bool evaluate_one(struct request *req, const struct evaluation *e, struct api_authzen_decision *ret,
                         struct err *err)
{
        if (evaluate(req, e, &ret->decision, err))
                return true;
        if (err->code != ERR_BAD_REQUEST)
                return false;
        ret->decision = false;
        ret->context.text =
                arena_printf(req->arena, "{\"error\":{\"status\":400,\"message\":\"%s\"}}", err->message);
        err_clear(err);
        return true;
}

static const struct json *either(const struct api_json *own, const struct api_json *around)
{
        return own->value ? own->value : around->value;
}

bool authzen_evaluate_all(struct request *req, const struct api_authzen_evaluate_all_in *in,
                          struct api_authzen_decisions *out, struct err *err)
{
        const struct api_authzen_requests *body = &in->body;
        struct api_authzen_decision *items;
        enum semantic semantic;

        say_request_id(req, in->x_request_id);
        if (!read_semantic(body->options.value, &semantic, err))
                return false;
        if (body->evaluations_count == 0) {
                const struct evaluation e = {body->subject.value, body->action.value, body->resource.value,
                                             body->context.value};

                out->has_decision = true;
                return evaluate(req, &e, &out->decision, err);
        }
        items = ARENA_ARRAY(req->arena, struct api_authzen_decision, body->evaluations_count);
        if (!items)
                return arena_check(req->arena, err);
        out->evaluations = items;
        for (size_t i = 0; i < body->evaluations_count; i++) {
                const struct api_authzen_request *one = &body->evaluations[i];
                const struct evaluation e = {
                        either(&one->subject, &body->subject), either(&one->action, &body->action),
                        either(&one->resource, &body->resource), either(&one->context, &body->context)};

                if (!evaluate_one(req, &e, &items[i], err))
                        return false;
                out->evaluations_count++;
                if (semantic == (items[i].decision ? PERMIT_ON_FIRST_PERMIT : DENY_ON_FIRST_DENY))
                        break;
        }
        return arena_check(req->arena, err);
}

FIBER_FN bool authzen_configuration_get(struct request *req,
                                        const struct api_authzen_configuration_get_in *in,
                                        struct api_authzen_configuration *out, struct err *err)
{
        struct str url = req->services->url;

        (void)in;
        *out = (struct api_authzen_configuration){
                .policy_decision_point = url,
                .access_evaluation_endpoint =
                        arena_printf(req->arena, "%.*s/access/v1/evaluation", STR_ARG(url)),
                .access_evaluations_endpoint =
                        arena_printf(req->arena, "%.*s/access/v1/evaluations", STR_ARG(url)),
        };
        return arena_check(req->arena, err);
}
