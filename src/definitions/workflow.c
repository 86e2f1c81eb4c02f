/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workflows in the Open Workflow DSL, formerly CNCF Serverless Workflow,
 * version 1.0 (github.com/open-workflow-specification/specification: dsl-reference.md).
 * The tables follow the order of that reference. Stricter than it in one thing:
 * a password, a token or a client's secret may not stand in the document.
 */
#include "definitions/kinds.h"
#include "definitions/workflow_rules.h"

#include "definitions/texts.h"

/* ---- texts ---- */

static bool is_dsl(struct str text, const char **ret_why)
{
        struct str patch = str_slice(text, 4, SIZE_MAX);
        int64_t number;

        *ret_why = "this server understands DSL 1.0; write 1.0.0";
        return str_starts(text, STR("1.0.")) && str_to_i64(patch, &number) && number >= 0 &&
               text_is_version(text, ret_why);
}

static bool is_uri_or_expression(struct str text, const char **ret_why)
{
        return text_begins_expression(text) ? text_is_expression(text, ret_why) : text_is_uri(text, ret_why);
}

static bool is_duration_or_expression(struct str text, const char **ret_why)
{
        return text_begins_expression(text) ? text_is_expression(text, ret_why)
                                            : text_is_duration(text, ret_why);
}

static bool is_pointer_or_expression(struct str text, const char **ret_why)
{
        return text_begins_expression(text) ? text_is_expression(text, ret_why)
                                            : text_is_pointer(text, ret_why);
}

/* Where the reference takes expressions with and without ${ }. */
static bool is_loose_expression(struct str text, const char **ret_why)
{
        return !text_begins_expression(text) || text_is_expression(text, ret_why);
}

static bool is_no_clear_secret(struct str text, const char **ret_why)
{
        *ret_why = "it would stand in the clear; name it under use.secrets and write ${ $secrets.NAME }";
        return text_begins_expression(text) && text_is_expression(text, ret_why);
}

static const struct shape dsl = {.kind = SHAPE_TEXT, .what = "the version of the DSL", .check = is_dsl};
static const struct shape uri = {.kind = SHAPE_TEXT, .what = "an address", .check = is_uri_or_expression};
static const struct shape expression = {
        .kind = SHAPE_TEXT, .what = "an expression", .check = is_loose_expression};
static const struct shape secret_text = {
        .kind = SHAPE_TEXT, .what = "a secret", .check = is_no_clear_secret};
static const struct shape duration_text = {
        .kind = SHAPE_TEXT, .what = "a duration", .check = is_duration_or_expression};
static const struct shape cron = {.kind = SHAPE_TEXT, .what = "a cron line", .check = text_is_cron};
static const struct shape pointer = {
        .kind = SHAPE_TEXT, .what = "a pointer to a part", .check = is_pointer_or_expression};
static const struct shape amount = {
        .kind = SHAPE_INTEGER, .what = "a number from 0", .min = 0, .max = INT64_C(1) << 40};
static const struct shape port = {.kind = SHAPE_INTEGER, .what = "a port", .min = 0, .max = 65535};
static const struct shape status_code = {
        .kind = SHAPE_INTEGER, .what = "a status code", .min = 100, .max = 599};
static const struct shape status = {
        .kind = SHAPE_TEXT_OR, .what = "a status code", .text = &expression, .of = &status_code};
static const struct shape expression_or_object = {
        .kind = SHAPE_TEXT_OR, .what = "an expression or a mapping", .text = &expression, .of = &shape_any};
static const struct shape texts = {.kind = SHAPE_LIST, .what = "a list of texts", .of = &shape_text};

/* ---- duration, timeout ---- */

static const struct shape_member duration_members[] = {
        {"days", &amount, false},    {"hours", &amount, false},        {"minutes", &amount, false},
        {"seconds", &amount, false}, {"milliseconds", &amount, false}, {NULL, NULL, false},
};
static const struct shape duration_inline = {.kind = SHAPE_RECORD,
                                             .what = "a duration",
                                             .members = duration_members,
                                             .rule = workflow_rule_duration};
static const struct shape duration = {
        .kind = SHAPE_TEXT_OR, .what = "a duration", .text = &duration_text, .of = &duration_inline};

static const struct shape_member timeout_members[] = {{"after", &duration, true}, {NULL, NULL, false}};
static const struct shape timeout_inline = {
        .kind = SHAPE_RECORD, .what = "a timeout", .members = timeout_members};
static const struct shape timeout_name = {
        .kind = SHAPE_TEXT, .what = "the name of a timeout", .rule = workflow_rule_timeout_name};
static const struct shape timeout = {
        .kind = SHAPE_TEXT_OR, .what = "a timeout", .text = &timeout_name, .of = &timeout_inline};

/* ---- authentication ---- */

static const struct shape secret_name = {
        .kind = SHAPE_TEXT, .what = "the name of a secret", .rule = workflow_rule_secret_name};
static const struct shape_member by_secret_members[] = {{"use", &secret_name, true}, {NULL, NULL, false}};
static const struct shape by_secret = {
        .kind = SHAPE_RECORD, .what = "a secret's use", .members = by_secret_members};

static const struct shape_member basic_members[] = {
        {"username", &shape_text, true}, {"password", &secret_text, true}, {NULL, NULL, false}};
static const struct shape basic_inline = {
        .kind = SHAPE_RECORD, .what = "user name and password", .members = basic_members};
static const struct shape_member bearer_members[] = {{"token", &secret_text, true}, {NULL, NULL, false}};
static const struct shape bearer_inline = {
        .kind = SHAPE_RECORD, .what = "a bearer token", .members = bearer_members};

static const struct shape client_authentication = {
        SHAPE_WORD, "how the client proves itself",
        .words = "client_secret_basic client_secret_post client_secret_jwt private_key_jwt none"};
static const struct shape_member client_members[] = {
        {"id", &shape_text, true},
        {"secret", &secret_text, false},
        {"assertion", &secret_text, false},
        {"authentication", &client_authentication, false},
        {NULL, NULL, false},
};
static const struct shape client = {
        .kind = SHAPE_RECORD, .what = "an OAuth 2 client", .members = client_members};
static const struct shape grant = {.kind = SHAPE_WORD,
                                   .what = "a grant",
                                   .words = "authorization_code client_credentials password refresh_token "
                                            "urn:ietf:params:oauth:grant-type:token-exchange"};
static const struct shape encoding = {.kind = SHAPE_WORD,
                                      .what = "an encoding",
                                      .words = "application/x-www-form-urlencoded application/json"};
static const struct shape_member request_members[] = {{"encoding", &encoding, false}, {NULL, NULL, false}};
static const struct shape token_request = {
        .kind = SHAPE_RECORD, .what = "how tokens are asked for", .members = request_members};
static const struct shape_member token_members[] = {
        {"token", &secret_text, true}, {"type", &shape_text, true}, {NULL, NULL, false}};
static const struct shape token = {.kind = SHAPE_RECORD, .what = "a token", .members = token_members};
static const struct shape_member endpoints_members[] = {{"token", &shape_text, false},
                                                        {"revocation", &shape_text, false},
                                                        {"introspection", &shape_text, false},
                                                        {NULL, NULL, false}};
static const struct shape endpoints = {
        .kind = SHAPE_RECORD, .what = "the endpoints", .members = endpoints_members};
static const struct shape_member oauth2_members[] = {
        {"authority", &uri, true},
        {"grant", &grant, true},
        {"client", &client, false},
        {"request", &token_request, false},
        {"issuers", &texts, false},
        {"scopes", &texts, false},
        {"audiences", &texts, false},
        {"username", &shape_text, false},
        {"password", &secret_text, false},
        {"subject", &token, false},
        {"actor", &token, false},
        {"endpoints", &endpoints, false},
        {NULL, NULL, false},
};
static const struct shape oauth2_inline = {
        .kind = SHAPE_RECORD, .what = "OAuth 2 settings", .members = oauth2_members};

/* `use` names a secret, else the settings stand here. */
static const struct shape_variant basic_variants[] = {
        {"use", &by_secret}, {"username", &basic_inline}, {"password", &basic_inline}, {NULL, NULL}};
static const struct shape basic = {
        .kind = SHAPE_BY_KEY, .what = "basic authentication", .variants = basic_variants};
static const struct shape_variant bearer_variants[] = {
        {"use", &by_secret}, {"token", &bearer_inline}, {NULL, NULL}};
static const struct shape bearer = {
        .kind = SHAPE_BY_KEY, .what = "bearer authentication", .variants = bearer_variants};
static const struct shape_variant oauth2_variants[] = {
        {"use", &by_secret}, {"authority", &oauth2_inline}, {"grant", &oauth2_inline}, {NULL, NULL}};
static const struct shape oauth2 = {
        .kind = SHAPE_BY_KEY, .what = "OAuth 2 authentication", .variants = oauth2_variants};

static const struct shape_member policy_basic[] = {{"basic", &basic, true}, {NULL, NULL, false}};
static const struct shape_member policy_bearer[] = {{"bearer", &bearer, true}, {NULL, NULL, false}};
static const struct shape_member policy_digest[] = {{"digest", &basic, true}, {NULL, NULL, false}};
static const struct shape_member policy_oauth2[] = {{"oauth2", &oauth2, true}, {NULL, NULL, false}};
static const struct shape_member policy_oidc[] = {{"oidc", &oauth2, true}, {NULL, NULL, false}};
static const struct shape authentication_basic = {
        .kind = SHAPE_RECORD, .what = "authentication", .members = policy_basic};
static const struct shape authentication_bearer = {
        .kind = SHAPE_RECORD, .what = "authentication", .members = policy_bearer};
static const struct shape authentication_digest = {
        .kind = SHAPE_RECORD, .what = "authentication", .members = policy_digest};
static const struct shape authentication_oauth2 = {
        .kind = SHAPE_RECORD, .what = "authentication", .members = policy_oauth2};
static const struct shape authentication_oidc = {
        .kind = SHAPE_RECORD, .what = "authentication", .members = policy_oidc};

static const struct shape authentication_name = {.kind = SHAPE_TEXT,
                                                 .what = "the name of an authentication",
                                                 .rule = workflow_rule_authentication_name};
static const struct shape_member reference_members[] = {{"use", &authentication_name, true},
                                                        {NULL, NULL, false}};
static const struct shape authentication_reference = {
        .kind = SHAPE_RECORD, .what = "the use of an authentication", .members = reference_members};
#define AUTHENTICATION_VARIANTS                                                                             \
        {"basic", &authentication_basic}, {"bearer", &authentication_bearer},                               \
                {"digest", &authentication_digest}, {"oauth2", &authentication_oauth2},                     \
                {"oidc", &authentication_oidc},                                                             \
        {                                                                                                   \
                NULL, NULL                                                                                  \
        }
static const struct shape_variant authentication_variants[] = {AUTHENTICATION_VARIANTS};
static const struct shape_variant referable_variants[] = {{"use", &authentication_reference},
                                                          AUTHENTICATION_VARIANTS};
static const struct shape authentication_policy = {
        .kind = SHAPE_BY_KEY, .what = "an authentication", .variants = authentication_variants};
static const struct shape authentication = {
        .kind = SHAPE_BY_KEY, .what = "an authentication", .variants = referable_variants};

/* ---- endpoints, resources, data ---- */

static const struct shape_member endpoint_members[] = {
        {"uri", &uri, true}, {"authentication", &authentication, false}, {NULL, NULL, false}};
static const struct shape endpoint_inline = {
        .kind = SHAPE_RECORD, .what = "an endpoint", .members = endpoint_members};
static const struct shape endpoint = {
        .kind = SHAPE_TEXT_OR, .what = "an endpoint", .text = &uri, .of = &endpoint_inline};

static const struct shape_member resource_members[] = {
        {"name", &shape_text, false}, {"endpoint", &endpoint, true}, {NULL, NULL, false}};
static const struct shape resource = {
        .kind = SHAPE_RECORD, .what = "a resource", .members = resource_members};

static const struct shape_member schema_inline_members[] = {
        {"format", &shape_text, false}, {"document", &shape_any, true}, {NULL, NULL, false}};
static const struct shape schema_inline = {
        .kind = SHAPE_RECORD, .what = "a schema", .members = schema_inline_members};
static const struct shape_member schema_resource_members[] = {
        {"format", &shape_text, false}, {"resource", &resource, true}, {NULL, NULL, false}};
static const struct shape schema_resource = {
        .kind = SHAPE_RECORD, .what = "a schema", .members = schema_resource_members};
static const struct shape_variant schema_variants[] = {
        {"document", &schema_inline}, {"resource", &schema_resource}, {NULL, NULL}};
static const struct shape schema = {.kind = SHAPE_BY_KEY, .what = "a schema", .variants = schema_variants};

static const struct shape_member input_members[] = {
        {"schema", &schema, false}, {"from", &expression_or_object, false}, {NULL, NULL, false}};
static const struct shape input = {.kind = SHAPE_RECORD, .what = "an input", .members = input_members};
static const struct shape_member output_members[] = {
        {"schema", &schema, false}, {"as", &expression_or_object, false}, {NULL, NULL, false}};
static const struct shape output = {.kind = SHAPE_RECORD, .what = "an output", .members = output_members};

/* ---- events ---- */

static const struct shape_member event_members[] = {
        {"id", &shape_text, false},
        {"source", &uri, false},
        {"type", &shape_text, false},
        {"time", &shape_text, false},
        {"subject", &shape_text, false},
        {"datacontenttype", &shape_text, false},
        {"dataschema", &uri, false},
        {"data", &shape_any, false},
        {NULL, NULL, false},
};
static const struct shape event_filter_with = {.kind = SHAPE_RECORD,
                                               .what = "what an event looks like",
                                               .members = event_members,
                                               .open = true,
                                               .rule = workflow_rule_not_empty};
static const struct shape_member correlation_members[] = {
        {"from", &expression, true}, {"expect", &expression, false}, {NULL, NULL, false}};
static const struct shape correlation = {
        .kind = SHAPE_RECORD, .what = "a correlation", .members = correlation_members};
static const struct shape correlations = {.kind = SHAPE_MAP, .what = "correlations", .of = &correlation};
static const struct shape_member event_filter_members[] = {
        {"with", &event_filter_with, true}, {"correlate", &correlations, false}, {NULL, NULL, false}};
static const struct shape event_filter = {
        .kind = SHAPE_RECORD, .what = "an event", .members = event_filter_members};
static const struct shape event_filters = {
        .kind = SHAPE_LIST, .what = "a list of events", .of = &event_filter};
static const struct shape until;
static const struct shape_member all_members[] = {{"all", &event_filters, true}, {NULL, NULL, false}};
static const struct shape_member any_members[] = {
        {"any", &event_filters, true}, {"until", &until, false}, {NULL, NULL, false}};
static const struct shape_member one_members[] = {{"one", &event_filter, true}, {NULL, NULL, false}};
static const struct shape events_all = {
        .kind = SHAPE_RECORD, .what = "which events", .members = all_members};
static const struct shape events_any = {
        .kind = SHAPE_RECORD, .what = "which events", .members = any_members};
static const struct shape events_one = {
        .kind = SHAPE_RECORD, .what = "which events", .members = one_members};
static const struct shape_variant events_variants[] = {
        {"all", &events_all}, {"any", &events_any}, {"one", &events_one}, {NULL, NULL}};
static const struct shape events = {
        .kind = SHAPE_BY_KEY, .what = "which events", .variants = events_variants};
static const struct shape until = {
        .kind = SHAPE_TEXT_OR, .what = "until when", .text = &expression, .of = &events};

static const struct shape_member emitted_members[] = {
        {"source", &uri, true}, {"type", &shape_text, true}, {NULL, NULL, false}};
static const struct shape emitted_head = {
        .kind = SHAPE_RECORD, .what = "an event", .members = event_members};
static const struct shape emitted_with = {.kind = SHAPE_RECORD,
                                          .what = "an event's attributes",
                                          .members = emitted_members,
                                          .base = &emitted_head,
                                          .open = true};
static const struct shape_member emitted_event_members[] = {{"with", &emitted_with, true},
                                                            {NULL, NULL, false}};
static const struct shape emitted_event = {
        .kind = SHAPE_RECORD, .what = "an event", .members = emitted_event_members};
static const struct shape_member emit_members[] = {{"event", &emitted_event, true}, {NULL, NULL, false}};
static const struct shape emit_inner = {
        .kind = SHAPE_RECORD, .what = "what is emitted", .members = emit_members};

/* ---- errors, retries ---- */

static const struct shape_member error_members[] = {
        {"type", &uri, true},          {"status", &status, true},      {"instance", &pointer, false},
        {"title", &shape_text, false}, {"detail", &shape_text, false}, {NULL, NULL, false},
};
static const struct shape error_inline = {
        .kind = SHAPE_RECORD, .what = "an error", .members = error_members};
static const struct shape error_name = {
        .kind = SHAPE_TEXT, .what = "the name of an error", .rule = workflow_rule_error_name};
static const struct shape error = {
        .kind = SHAPE_TEXT_OR, .what = "an error", .text = &error_name, .of = &error_inline};

static const struct shape_member backoff_members[] = {{"constant", &shape_object, false},
                                                      {"exponential", &shape_object, false},
                                                      {"linear", &shape_object, false},
                                                      {NULL, NULL, false}};
static const struct shape backoff = {
        .kind = SHAPE_RECORD, .what = "a backoff", .members = backoff_members, .rule = workflow_rule_one_of};
static const struct shape_member attempt_members[] = {
        {"count", &amount, false}, {"duration", &duration, false}, {NULL, NULL, false}};
static const struct shape attempt = {
        .kind = SHAPE_RECORD, .what = "the limit of an attempt", .members = attempt_members};
static const struct shape_member limit_members[] = {
        {"attempt", &attempt, false}, {"duration", &duration, false}, {NULL, NULL, false}};
static const struct shape retry_limit = {
        .kind = SHAPE_RECORD, .what = "the limit of a retry", .members = limit_members};
static const struct shape_member jitter_members[] = {
        {"from", &duration, true}, {"to", &duration, true}, {NULL, NULL, false}};
static const struct shape jitter = {.kind = SHAPE_RECORD, .what = "a jitter", .members = jitter_members};
static const struct shape_member retry_members[] = {
        {"when", &expression, false}, {"exceptWhen", &expression, false}, {"delay", &duration, false},
        {"backoff", &backoff, false}, {"limit", &retry_limit, false},     {"jitter", &jitter, false},
        {NULL, NULL, false},
};
static const struct shape retry_inline = {
        .kind = SHAPE_RECORD, .what = "a retry policy", .members = retry_members};
static const struct shape retry_name = {
        .kind = SHAPE_TEXT, .what = "the name of a retry policy", .rule = workflow_rule_retry_name};
static const struct shape retry = {
        .kind = SHAPE_TEXT_OR, .what = "a retry policy", .text = &retry_name, .of = &retry_inline};

/* ---- tasks: what all have ---- */

static const struct shape task, tasks;
static const struct shape directive = {
        .kind = SHAPE_TEXT, .what = "what comes next", .rule = workflow_rule_directive};
static const struct shape_member base_members[] = {
        {"if", &expression, false},         {"input", &input, false},     {"output", &output, false},
        {"export", &output, false},         {"timeout", &timeout, false}, {"then", &directive, false},
        {"metadata", &shape_object, false}, {NULL, NULL, false},
};
static const struct shape task_base = {.kind = SHAPE_RECORD, .what = "a task", .members = base_members};

#define TASK(name, text, ...)                                                                               \
        static const struct shape_member name##_task_members[] = {__VA_ARGS__, {NULL, NULL, false}};        \
        static const struct shape name##_task = {SHAPE_RECORD, text, .members = name##_task_members,        \
                                                 .base = &task_base}

/* ---- call ---- */

static const struct shape http_output = {
        .kind = SHAPE_WORD, .what = "an output format", .words = "raw content response"};
static const struct shape_member http_members[] = {
        {"method", &shape_text, true},
        {"endpoint", &endpoint, true},
        {"headers", &expression_or_object, false},
        {"body", &shape_any, false},
        {"query", &expression_or_object, false},
        {"output", &http_output, false},
        {"redirect", &shape_bool, false},
        {NULL, NULL, false},
};
static const struct shape http_with = {
        .kind = SHAPE_RECORD, .what = "an HTTP call", .members = http_members};
static const struct shape_member openapi_members[] = {
        {"document", &resource, true},
        {"operationId", &shape_text, true},
        {"parameters", &shape_object, false},
        {"authentication", &authentication, false},
        {"output", &http_output, false},
        {"redirect", &shape_bool, false},
        {NULL, NULL, false},
};
static const struct shape openapi_with = {
        .kind = SHAPE_RECORD, .what = "an OpenAPI call", .members = openapi_members};
static const struct shape_member service_members[] = {{"name", &shape_text, true},
                                                      {"host", &shape_text, true},
                                                      {"port", &port, false},
                                                      {"authentication", &authentication, false},
                                                      {NULL, NULL, false}};
static const struct shape grpc_service = {
        .kind = SHAPE_RECORD, .what = "a gRPC service", .members = service_members};
static const struct shape_member grpc_members[] = {{"proto", &resource, true},
                                                   {"service", &grpc_service, true},
                                                   {"method", &shape_text, true},
                                                   {"arguments", &shape_object, false},
                                                   {NULL, NULL, false}};
static const struct shape grpc_with = {.kind = SHAPE_RECORD, .what = "a gRPC call", .members = grpc_members};
static const struct shape_member asyncapi_members[] = {
        {"document", &resource, true},
        {"channel", &shape_text, false},
        {"operation", &shape_text, false},
        {"server", &shape_any, false},
        {"protocol", &shape_text, false},
        {"message", &shape_any, false},
        {"subscription", &shape_any, false},
        {"authentication", &authentication, false},
        {NULL, NULL, false},
};
static const struct shape asyncapi_with = {
        .kind = SHAPE_RECORD, .what = "an AsyncAPI call", .members = asyncapi_members};
static const struct shape function_name = {
        .kind = SHAPE_TEXT, .what = "what is called", .rule = workflow_rule_function_name};

TASK(http, "an HTTP call", {"call", &shape_text, true}, {"with", &http_with, true});
TASK(openapi, "an OpenAPI call", {"call", &shape_text, true}, {"with", &openapi_with, true});
TASK(grpc, "a gRPC call", {"call", &shape_text, true}, {"with", &grpc_with, true});
TASK(asyncapi, "an AsyncAPI call", {"call", &shape_text, true}, {"with", &asyncapi_with, true});
TASK(function, "a call", {"call", &function_name, true}, {"with", &shape_object, false});
static const struct shape_variant call_variants[] = {{"http", &http_task},
                                                     {"openapi", &openapi_task},
                                                     {"grpc", &grpc_task},
                                                     {"asyncapi", &asyncapi_task},
                                                     {NULL, NULL}};
static const struct shape call_task = {.kind = SHAPE_BY_VALUE,
                                       .what = "a call",
                                       .key = "call",
                                       .variants = call_variants,
                                       .of = &function_task};

/* ---- the other tasks ---- */

TASK(do, "a do task", {"do", &tasks, true});

static const struct shape_member fork_members[] = {
        {"branches", &tasks, true}, {"compete", &shape_bool, false}, {NULL, NULL, false}};
static const struct shape fork_inner = {.kind = SHAPE_RECORD, .what = "a fork", .members = fork_members};
TASK(fork, "a fork task", {"fork", &fork_inner, true});

TASK(emit, "an emit task", {"emit", &emit_inner, true});

static const struct shape_member for_members[] = {{"each", &shape_text, false},
                                                  {"in", &expression, true},
                                                  {"at", &shape_text, false},
                                                  {NULL, NULL, false}};
static const struct shape for_inner = {.kind = SHAPE_RECORD, .what = "a loop", .members = for_members};
TASK(for, "a for task", {"for", &for_inner, true}, {"while", &expression, false}, {"do", &tasks, true});

static const struct shape read_as = {
        .kind = SHAPE_WORD, .what = "how events are read", .words = "data envelope raw"};
static const struct shape_member listen_members[] = {
        {"to", &events, true}, {"read", &read_as, false}, {NULL, NULL, false}};
static const struct shape listen_inner = {
        .kind = SHAPE_RECORD, .what = "what is listened to", .members = listen_members};
static const struct shape_member foreach_members[] = {
        {"item", &shape_text, false}, {"at", &shape_text, false}, {"do", &tasks, false},
        {"output", &output, false},   {"export", &output, false}, {NULL, NULL, false}};
static const struct shape foreach = {
        .kind = SHAPE_RECORD, .what = "what is done for each event", .members = foreach_members};
TASK(listen, "a listen task", {"listen", &listen_inner, true}, {"foreach", &foreach, false});

static const struct shape_member raise_members[] = {{"error", &error, true}, {NULL, NULL, false}};
static const struct shape raise_inner = {
        .kind = SHAPE_RECORD, .what = "what is raised", .members = raise_members};
TASK(raise, "a raise task", {"raise", &raise_inner, true});

static const struct shape cleanup = {
        .kind = SHAPE_WORD, .what = "when it is removed", .words = "always never eventually"};
static const struct shape_member lifetime_members[] = {
        {"cleanup", &cleanup, true}, {"after", &duration, false}, {NULL, NULL, false}};
static const struct shape lifetime = {
        .kind = SHAPE_RECORD, .what = "a lifetime", .members = lifetime_members};
static const struct shape pull_policy = {
        .kind = SHAPE_WORD, .what = "when it is pulled", .words = "ifNotPresent always never"};
static const struct shape_member container_members[] = {
        {"image", &shape_text, true},
        {"name", &shape_text, false},
        {"command", &shape_text, false},
        {"ports", &shape_object, false},
        {"volumes", &shape_object, false},
        {"environment", &shape_object, false},
        {"stdin", &shape_text, false},
        {"arguments", &shape_any, false},
        {"pullPolicy", &pull_policy, false},
        {"lifetime", &lifetime, false},
        {NULL, NULL, false},
};
static const struct shape container = {
        .kind = SHAPE_RECORD, .what = "a container", .members = container_members};
static const struct shape_member script_members[] = {
        {"language", &shape_text, true},
        {"code", &shape_text, false},
        {"source", &resource, false},
        {"stdin", &shape_text, false},
        {"arguments", &shape_any, false},
        {"environment", &shape_object, false},
        {NULL, NULL, false},
};
static const struct shape script = {
        .kind = SHAPE_RECORD, .what = "a script", .members = script_members, .rule = workflow_rule_script};
static const struct shape_member shell_members[] = {{"command", &shape_text, true},
                                                    {"stdin", &shape_text, false},
                                                    {"arguments", &shape_any, false},
                                                    {"environment", &shape_object, false},
                                                    {NULL, NULL, false}};
static const struct shape shell = {
        .kind = SHAPE_RECORD, .what = "a shell command", .members = shell_members};
static const struct shape_member subflow_members[] = {{"namespace", &shape_label, true},
                                                      {"name", &shape_label, true},
                                                      {"version", &shape_text, true},
                                                      {"input", &expression_or_object, false},
                                                      {NULL, NULL, false}};
static const struct shape subflow = {.kind = SHAPE_RECORD,
                                     .what = "a workflow to run",
                                     .members = subflow_members,
                                     .rule = workflow_rule_subflow};
static const struct shape returned = {
        .kind = SHAPE_WORD, .what = "what comes back", .words = "stdout stderr code all none"};
#define RUN(name, inner)                                                                                    \
        static const struct shape_member run_##name##_members[] = {{#name, &(inner), true},                 \
                                                                   {"await", &shape_bool, false},           \
                                                                   {"return", &returned, false},            \
                                                                   {NULL, NULL, false}};                    \
        static const struct shape run_##name = {                                                            \
                .kind = SHAPE_RECORD, .what = "what is run", .members = run_##name##_members}
RUN(container, container);
RUN(script, script);
RUN(shell, shell);
RUN(workflow, subflow);
static const struct shape_variant run_variants[] = {{"container", &run_container},
                                                    {"script", &run_script},
                                                    {"shell", &run_shell},
                                                    {"workflow", &run_workflow},
                                                    {NULL, NULL}};
static const struct shape run_inner = {
        .kind = SHAPE_BY_KEY, .what = "what is run", .variants = run_variants};
TASK(run, "a run task", {"run", &run_inner, true});

static const struct shape set_data = {.kind = SHAPE_OBJECT, .what = "what is set", .least = 1};
static const struct shape set_inner = {
        .kind = SHAPE_TEXT_OR, .what = "what is set", .text = &expression, .of = &set_data};
TASK(set, "a set task", {"set", &set_inner, true});

static const struct shape_member case_members[] = {
        {"when", &expression, false}, {"then", &directive, true}, {NULL, NULL, false}};
static const struct shape switch_case = {.kind = SHAPE_RECORD, .what = "a case", .members = case_members};
static const struct shape switch_inner = {.kind = SHAPE_NAMED,
                                          .what = "a list of cases",
                                          .of = &switch_case,
                                          .least = 1,
                                          .rule = workflow_rule_unique_names};
TASK(switch, "a switch task", {"switch", &switch_inner, true});

static const struct shape_member filter_members[] = {
        {"type", &shape_text, false},  {"status", &status, false},      {"instance", &shape_text, false},
        {"title", &shape_text, false}, {"details", &shape_text, false}, {NULL, NULL, false}};
static const struct shape error_filter = {.kind = SHAPE_RECORD,
                                          .what = "which errors",
                                          .members = filter_members,
                                          .rule = workflow_rule_not_empty};
static const struct shape_member caught_members[] = {{"with", &error_filter, false}, {NULL, NULL, false}};
static const struct shape caught = {.kind = SHAPE_RECORD, .what = "which errors", .members = caught_members};
static const struct shape_member catch_members[] = {
        {"errors", &caught, false},   {"as", &shape_text, false},
        {"when", &expression, false}, {"exceptWhen", &expression, false},
        {"retry", &retry, false},     {"do", &tasks, false},
        {NULL, NULL, false},
};
static const struct shape catch_inner = {.kind = SHAPE_RECORD, .what = "a catch", .members = catch_members};
TASK(try, "a try task", {"try", &tasks, true}, {"catch", &catch_inner, true});

TASK(wait, "a wait task", {"wait", &duration, true});

/* `for` before `do`, which is a part of it. */
static const struct shape_variant task_variants[] = {
        {"call", &call_task}, {"for", &for_task},       {"do", &do_task},       {"fork", &fork_task},
        {"emit", &emit_task}, {"listen", &listen_task}, {"raise", &raise_task}, {"run", &run_task},
        {"set", &set_task},   {"switch", &switch_task}, {"try", &try_task},     {"wait", &wait_task},
        {NULL, NULL},
};
static const struct shape task = {.kind = SHAPE_BY_KEY, .what = "a task", .variants = task_variants};
static const struct shape tasks = {.kind = SHAPE_NAMED,
                                   .what = "a list of tasks",
                                   .of = &task,
                                   .least = 1,
                                   .rule = workflow_rule_unique_names};

/* ---- use ---- */

static const struct shape extended = {
        SHAPE_WORD, "the kind of task that is extended",
        .words = "call composite do emit for fork listen raise run set switch try wait all"};
static const struct shape_member extension_members[] = {{"extend", &extended, true},
                                                        {"when", &expression, false},
                                                        {"before", &tasks, false},
                                                        {"after", &tasks, false},
                                                        {NULL, NULL, false}};
static const struct shape extension = {
        .kind = SHAPE_RECORD, .what = "an extension", .members = extension_members};
static const struct shape extensions = {.kind = SHAPE_NAMED,
                                        .what = "a list of extensions",
                                        .of = &extension,
                                        .rule = workflow_rule_unique_names};
static const struct shape_member catalog_members[] = {{"endpoint", &endpoint, true}, {NULL, NULL, false}};
static const struct shape catalog = {.kind = SHAPE_RECORD, .what = "a catalog", .members = catalog_members};
static const struct shape authentications = {
        .kind = SHAPE_MAP, .what = "authentications", .of = &authentication_policy};
static const struct shape errors = {.kind = SHAPE_MAP, .what = "errors", .of = &error_inline};
static const struct shape functions = {.kind = SHAPE_MAP, .what = "functions", .of = &task};
static const struct shape retries = {.kind = SHAPE_MAP, .what = "retries", .of = &retry_inline};
static const struct shape timeouts = {.kind = SHAPE_MAP, .what = "timeouts", .of = &timeout_inline};
static const struct shape catalogs = {.kind = SHAPE_MAP, .what = "catalogs", .of = &catalog};
static const struct shape_member use_members[] = {
        {"authentications", &authentications, false},
        {"errors", &errors, false},
        {"extensions", &extensions, false},
        {"functions", &functions, false},
        {"retries", &retries, false},
        {"secrets", &texts, false},
        {"timeouts", &timeouts, false},
        {"catalogs", &catalogs, false},
        {NULL, NULL, false},
};
static const struct shape use = {.kind = SHAPE_RECORD, .what = "what is used (use)", .members = use_members};

/* ---- the whole ---- */

static const struct shape_member head_members[] = {
        {"dsl", &dsl, true}, {"namespace", &shape_label, true}, {NULL, NULL, false}};
static const struct shape head = {.kind = SHAPE_RECORD,
                                  .what = "the head (document)",
                                  .members = head_members,
                                  .base = &shape_document_head};
static const struct shape_member schedule_members[] = {{"every", &duration, false},
                                                       {"cron", &cron, false},
                                                       {"after", &duration, false},
                                                       {"on", &events, false},
                                                       {NULL, NULL, false}};
static const struct shape schedule = {.kind = SHAPE_RECORD,
                                      .what = "a schedule",
                                      .members = schedule_members,
                                      .rule = workflow_rule_one_of};
static const struct shape mode = {.kind = SHAPE_WORD, .what = "a mode", .words = "strict loose"};
static const struct shape_member evaluate_members[] = {
        {"language", &shape_text, false}, {"mode", &mode, false}, {NULL, NULL, false}};
static const struct shape evaluate = {
        .kind = SHAPE_RECORD, .what = "how expressions are read", .members = evaluate_members};
static const struct shape_member workflow_members[] = {
        {"document", &head, true},      {"input", &input, false},       {"use", &use, false},
        {"do", &tasks, true},           {"timeout", &timeout, false},   {"output", &output, false},
        {"schedule", &schedule, false}, {"evaluate", &evaluate, false}, {NULL, NULL, false},
};
static const struct shape workflow = {
        .kind = SHAPE_RECORD, .what = "a workflow", .members = workflow_members};

void workflow_check(const struct node *root, struct problems *problems)
{
        shape_check(&workflow, root, problems, (void *)root);
}
