/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_document.h"

#include "base/clock.h"
#include "base/heap.h"
#include "crypto/sha256.h"
#include "definitions/kinds.h"
#include "policy/policy_cel.h"

#include <stdio.h>
#include <stdlib.h>

enum { DOCUMENT_ARENA_MAX = 4 << 20, NAME_MAX_BYTES = 63, REASON_MAX_BYTES = 300 };

const char *policy_effect_name(enum policy_effect effect)
{
        static const char *const names[] = {
                [POLICY_PERMIT] = "permit", [POLICY_FORBID] = "forbid", [POLICY_REQUIREMENT] = "require"};

        return names[effect];
}

bool policy_glob(struct str pattern, struct str text)
{
        size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;

        while (t < text.len) {
                if (p < pattern.len && pattern.ptr[p] == '*') {
                        star = p++;
                        mark = t;
                } else if (p < pattern.len && pattern.ptr[p] == text.ptr[t]) {
                        p++;
                        t++;
                } else if (star != SIZE_MAX) {
                        p = star + 1;
                        t = ++mark;
                } else {
                        return false;
                }
        }
        while (p < pattern.len && pattern.ptr[p] == '*')
                p++;
        return p == pattern.len;
}

/* ---- what a document must look like -------------------------------------------------------------- */

static bool is_format(struct str text, const char **ret_why)
{
        *ret_why = "this server understands '1.0'";
        return str_is(text, "1.0");
}

static bool is_operation(struct str text, const char **ret_why)
{
        char name[256];

        *ret_why = "write CONNECTOR/OPERATION as in `countersign catalogue`, where * stands for anything";
        for (size_t i = 0; i < catalogue_count(); i++) {
                const struct catalogue_operation *operation = catalogue_at(i);

                (void)snprintf(name, sizeof(name), "%s/%s", operation->connector, operation->name);
                if (policy_glob(text, str_from(name)))
                        return true;
        }
        return false;
}

static bool is_role(struct str text, const char **ret_why)
{
        *ret_why = "a roster knows approvers only: write approver, or leave the roles out";
        return str_is(text, "approver");
}

static bool is_reason(struct str text, const char **ret_why)
{
        *ret_why = "one sentence of at most 300 bytes";
        return text.len <= REASON_MAX_BYTES && !memchr(text.ptr, '\n', text.len);
}

static bool is_time(struct str text, const char **ret_why)
{
        int64_t ignored;

        *ret_why = "write it as 2026-03-02T03:00:00Z";
        return clock_parse(text, &ignored);
}

static void rule_rule(const struct node *node, struct problems *problems, void *context)
{
        const struct node *decisions = node_get(node, "decisions");
        const struct node *roles = node_get(node, "roles");
        bool requires = str_is(node_text(node, "effect"), "require");

        (void)context;
        if (requires && !decisions)
                problems_add_key(problems, node, "a rule that requires says how many: decisions: 1");
        if (!requires && decisions)
                problems_add_key(problems, decisions, "only a rule with the effect require has decisions");
        if (!requires && roles)
                problems_add_key(problems, roles, "only a rule with the effect require has roles");
}

static void rule_rules(const struct node *node, struct problems *problems, void *context)
{
        (void)context;
        if (node->count > POLICY_RULES_MAX)
                problems_add(problems, node, "more than %d rules; make several policies of them",
                             POLICY_RULES_MAX);
        for (const struct node *a = node->first; a; a = a->next)
                for (const struct node *b = node->first; b != a; b = b->next)
                        if (node_text(a, "name").len > 0 &&
                            str_eq(node_text(a, "name"), node_text(b, "name"))) {
                                problems_add(problems, node_get(a, "name"),
                                             "line %d has a rule of that name already", b->line);
                                break;
                        }
}

static void rule_examples(const struct node *node, struct problems *problems, void *context)
{
        (void)context;
        if (node->count > POLICY_EXAMPLES_MAX)
                problems_add(problems, node, "more than %d examples", POLICY_EXAMPLES_MAX);
}

static const struct shape format = {
        .kind = SHAPE_TEXT, .what = "the version of the format", .check = is_format};
static const struct shape effect = {
        .kind = SHAPE_WORD, .what = "an effect", .words = "permit forbid require"};
static const struct shape decisions = {
        .kind = SHAPE_INTEGER, .what = "the number of decisions", .min = 1, .max = POLICY_DECISIONS_MAX};
static const struct shape role = {.kind = SHAPE_TEXT, .what = "a role", .check = is_role};
static const struct shape roles = {.kind = SHAPE_LIST, .what = "a list of roles", .of = &role, .least = 1};
static const struct shape operation = {.kind = SHAPE_TEXT, .what = "an operation", .check = is_operation};
static const struct shape operations = {
        .kind = SHAPE_LIST, .what = "a list of operations", .of = &operation, .least = 1};
static const struct shape environments = {
        .kind = SHAPE_LIST, .what = "a list of environments", .of = &shape_text, .least = 1};
static const struct shape reason = {.kind = SHAPE_TEXT, .what = "a reason", .check = is_reason};
static const struct shape condition = {.kind = SHAPE_TEXT, .what = "a condition (CEL)"};
static const struct shape_member rule_members[] = {
        {"name", &shape_label, true},
        {"effect", &effect, true},
        {"operations", &operations, false},
        {"environments", &environments, false},
        {"when", &condition, false},
        {"decisions", &decisions, false},
        {"roles", &roles, false},
        {"reason", &reason, false},
        {NULL, NULL, false},
};
static const struct shape rule = {
        .kind = SHAPE_RECORD, .what = "a rule", .members = rule_members, .rule = rule_rule};
static const struct shape rules = {
        .kind = SHAPE_LIST, .what = "a list of rules", .of = &rule, .least = 1, .rule = rule_rules};

static const struct shape time_shape = {.kind = SHAPE_TEXT, .what = "a time", .check = is_time};
static const struct shape labels = {.kind = SHAPE_MAP, .what = "labels", .of = &shape_text};
static const struct shape_member requester_members[] = {{"id", &shape_text, false},
                                                        {"kind", &shape_text, false},
                                                        {"risk", &shape_text, false},
                                                        {"scope", &shape_text, false},
                                                        {NULL, NULL, false}};
static const struct shape requester = {
        .kind = SHAPE_RECORD, .what = "a requester", .members = requester_members};
static const struct shape_member tenant_members[] = {
        {"id", &shape_text, false}, {"tier", &shape_text, false}, {NULL, NULL, false}};
static const struct shape tenant = {.kind = SHAPE_RECORD, .what = "a tenant", .members = tenant_members};
static const struct shape_member workspace_members[] = {{"id", &shape_text, false},
                                                        {"data_mode", &shape_text, false},
                                                        {"labels", &labels, false},
                                                        {NULL, NULL, false}};
static const struct shape workspace = {
        .kind = SHAPE_RECORD, .what = "a workspace", .members = workspace_members};
static const struct shape_member input_members[] = {
        {"operation", &shape_text, true},
        {"environment", &shape_text, true},
        {"target", &shape_text, false},
        {"parameters", &shape_object, false},
        {"requester", &requester, false},
        {"tenant", &tenant, false},
        {"workspace", &workspace, false},
        {"time", &time_shape, false},
        {NULL, NULL, false},
};
static const struct shape input = {.kind = SHAPE_RECORD, .what = "an input", .members = input_members};
static const struct shape expect = {.kind = SHAPE_WORD, .what = "a verdict", .words = "allow deny require"};
static const struct shape_member example_members[] = {
        {"name", &shape_text, false},     {"input", &input, true},      {"expect", &expect, true},
        {"decisions", &decisions, false}, {"rule", &shape_text, false}, {NULL, NULL, false},
};
static const struct shape example = {.kind = SHAPE_RECORD, .what = "an example", .members = example_members};
static const struct shape examples = {
        .kind = SHAPE_LIST, .what = "a list of examples", .of = &example, .rule = rule_examples};

static const struct shape_member policy_members[] = {
        {"policy", &format, true}, {"document", &shape_document_head, true},
        {"rules", &rules, true},   {"examples", &examples, false},
        {NULL, NULL, false},
};
static const struct shape policy = {.kind = SHAPE_RECORD, .what = "a policy", .members = policy_members};

/* ---- from the tree to rules ------------------------------------------------------------------------ */

static struct str copy(struct policy_document *document, struct str text)
{
        return text.len > 0 ? arena_str(&document->arena, text) : STR("");
}

static const struct str *texts_of(struct policy_document *document, const struct node *list,
                                  uint32_t *ret_count)
{
        struct str *items;

        *ret_count = 0;
        if (!list)
                return NULL;
        items = ARENA_ARRAY(&document->arena, struct str, list->count);
        if (!items)
                return NULL;
        for (const struct node *item = list->first; item; item = item->next)
                items[(*ret_count)++] = copy(document, item->text);
        return items;
}

/* The message of the engine has several lines, of which the first says what is wrong. */
static void tell_condition(const struct node *when, const struct err *err, struct problems *problems)
{
        struct str rest = str_from(err->message);
        struct str first;

        (void)str_cut(&rest, '\n', &first);
        problems_add(problems, when, "the condition is wrong at %s: %.*s", err->place, STR_ARG(first));
}

static void build_rule(struct policy_document *document, const struct node *node, struct problems *problems)
{
        struct policy_rule *into = &document->rules[document->rule_count++];
        const struct node *when = node_get(node, "when");
        const struct node *count = node_get(node, "decisions");
        struct str word = node_text(node, "effect");
        struct err err;

        *into = (struct policy_rule){
                .name = copy(document, node_text(node, "name")),
                .reason = copy(document, node_text(node, "reason")),
                .effect = str_is(word, "permit")   ? POLICY_PERMIT
                          : str_is(word, "forbid") ? POLICY_FORBID
                                                   : POLICY_REQUIREMENT,
                .decisions = count ? (unsigned)count->integer : 0,
                .when = copy(document, when ? when->text : STR("")),
        };
        into->operations = texts_of(document, node_get(node, "operations"), &into->operation_count);
        into->environments = texts_of(document, node_get(node, "environments"), &into->environment_count);
        if (when && !policy_condition_compile(into->when, &into->condition, &err))
                tell_condition(when, &err, problems);
}

/* The tree is as the shapes say. */
static struct policy_document *build(const struct node *root, struct problems *problems)
{
        struct policy_document *document = heap_alloc_zeroed(1, sizeof(*document));
        const struct node *head = node_get(root, "document");
        const struct node *list = node_get(root, "rules");

        if (!document) {
                problems_add(problems, NULL, "there is no memory for this policy now");
                return NULL;
        }
        arena_init(&document->arena, DOCUMENT_ARENA_MAX);
        document->name = copy(document, node_text(head, "name"));
        document->version = copy(document, node_text(head, "version"));
        document->rules = ARENA_ARRAY(&document->arena, struct policy_rule, list->count);
        for (const struct node *item = list->first; document->rules && item; item = item->next)
                build_rule(document, item, problems);
        if (arena_failed(&document->arena))
                problems_add(problems, root, "the policy is too large");
        if (problems->errors == 0)
                return document;
        policy_document_free(document);
        return NULL;
}

void policy_document_free(struct policy_document *document)
{
        if (!document)
                return;
        for (uint32_t i = 0; document->rules && i < document->rule_count; i++)
                cel_program_free(document->rules[i].condition);
        arena_done(&document->arena);
        heap_free(document);
}

size_t policy_document_bytes(const struct policy_document *document)
{
        size_t bytes = sizeof(*document) + document->content.len + 1024;

        for (uint32_t i = 0; i < document->rule_count; i++)
                if (document->rules[i].condition)
                        bytes += cel_program_size_bytes(document->rules[i].condition);
        return bytes;
}

static struct policy_document *check_and_build(const struct node *root, struct problems *problems)
{
        shape_check(&policy, root, problems, NULL);
        return problems->errors == 0 ? build(root, problems) : NULL;
}

struct policy_document *policy_document_read(struct str content, struct problems *problems)
{
        const struct node *root = document_read(content, problems);
        struct policy_document *document = root ? check_and_build(root, problems) : NULL;
        struct sha256 hash;

        if (!document)
                return NULL;
        document->content = arena_str(&document->arena, content);
        if (!document->content.ptr) {
                problems_add(problems, root, "the policy is too large");
                policy_document_free(document);
                return NULL;
        }
        sha256_of(content, &hash);
        sha256_format(&hash, document->digest);
        return document;
}

/* ---- examples --------------------------------------------------------------------------------------- */

static bool to_json(struct problems *problems, const struct node *node, const struct json **ret)
{
        struct json *json;
        struct err err;

        *ret = NULL;
        if (!node)
                return true;
        json = ARENA_NEW(problems->arena, struct json);
        if (!json || !node_to_json(problems->arena, node, json, &err)) {
                problems_add(problems, node, "there is no memory for this");
                return false;
        }
        *ret = json;
        return true;
}

static bool fill_parameters(struct problems *problems, const struct node *node, struct policy_input *ret)
{
        const struct node *at = node_get(node, "parameters");
        struct json *filled = ARENA_NEW(problems->arena, struct json);
        const struct json *given;
        struct err err;

        if (!to_json(problems, at, &given))
                return false;
        if (!filled || !catalogue_parameters_fill(problems->arena, ret->operation, given, filled, &err)) {
                problems_add(problems, at ? at : node, "%s: %s", filled ? err.place : "/parameters",
                             filled ? err.message : "there is no memory for this");
                return false;
        }
        ret->parameters = filled;
        return true;
}

static bool fill_input(struct problems *problems, const struct node *node, struct policy_input *ret)
{
        const struct node *who = node_get(node, "requester");
        const struct node *of_tenant = node_get(node, "tenant");
        const struct node *place = node_get(node, "workspace");
        struct str name = node_text(node, "operation");
        struct str connector = STR("");

        (void)str_cut(&name, '/', &connector);
        *ret = (struct policy_input){
                .tenant = node_text(of_tenant, "id"),
                .tier = node_text(of_tenant, "tier"),
                .workspace = node_text(place, "id"),
                .data_mode = node_text(place, "data_mode"),
                .environment = node_text(node, "environment"),
                .operation = catalogue_find(connector, name),
                .target = node_text(node, "target"),
                .requester_id = node_text(who, "id"),
                .requester_kind = who ? node_text(who, "kind") : STR("agent"),
                .requester_risk = node_text(who, "risk"),
                .requester_scope = node_text(who, "scope"),
        };
        if (!ret->operation) {
                problems_add(problems, node_get(node, "operation"),
                             "the catalogue has no such operation; write CONNECTOR/OPERATION as in "
                             "`countersign catalogue`");
                return false;
        }
        if (node_text(node, "time").len > 0 && !clock_parse(node_text(node, "time"), &ret->time_ms))
                return false; /* the shape has said so */
        return to_json(problems, node_get(place, "labels"), &ret->labels) &&
               fill_parameters(problems, node, ret);
}

static void run_example(const struct policy_set *set, const struct node *node, struct problems *problems,
                        struct policy_example *ret)
{
        const struct node *count = node_get(node, "decisions");
        struct policy_input asked;

        *ret = (struct policy_example){
                .node = node,
                .name = node_text(node, "name"),
                .expect = node_text(node, "expect"),
                .decisions = count ? (unsigned)count->integer : 0,
                .rule = node_text(node, "rule"),
        };
        if (!ret->name.ptr)
                ret->name = arena_printf(problems->arena, "example %u", node->index + 1);
        if (!fill_input(problems, node_get(node, "input"), &asked))
                return;
        policy_decide(set, &asked, problems->arena, &ret->explanation, &ret->decision);
        ret->holds = str_is(ret->expect, policy_verdict_name(ret->decision.verdict)) &&
                     (!count || ret->decisions == ret->decision.decisions) &&
                     (!ret->rule.ptr || str_eq(ret->rule, ret->decision.rule));
}

bool policy_examples_run(const struct policy_document *document, const struct node *root,
                         struct problems *problems, struct policy_examples *ret)
{
        const struct node *list = node_get(root, "examples");
        uint32_t before = problems->errors;
        struct policy_set set = {.counts = {[POLICY_PLATFORM] = 1}};

        set.documents[POLICY_PLATFORM][0] = document;
        ret->count = 0;
        for (const struct node *node = list ? list->first : NULL; node; node = node->next)
                run_example(&set, node, problems, &ret->items[ret->count++]);
        return problems->errors == before && !arena_failed(problems->arena);
}

static void tell_example(const struct policy_example *example, struct problems *problems)
{
        const struct policy_decision *decision = &example->decision;

        if (decision->verdict == POLICY_REQUIRE)
                problems_add(problems, example->node,
                             "\"%.*s\" does not hold: the rule %.*s decides, require %u",
                             STR_ARG(example->name), STR_ARG(decision->rule), decision->decisions);
        else
                problems_add(problems, example->node, "\"%.*s\" does not hold: the rule %.*s decides, %s",
                             STR_ARG(example->name), STR_ARG(decision->rule),
                             policy_verdict_name(decision->verdict));
}

void policy_document_check(const struct node *root, struct problems *problems)
{
        struct policy_document *document = check_and_build(root, problems);
        struct policy_examples *found;

        if (!document)
                return;
        found = heap_alloc_zeroed(1, sizeof(*found));
        if (!found)
                problems_add(problems, root, "there is no memory to run the examples");
        else if (policy_examples_run(document, root, problems, found))
                for (size_t i = 0; i < found->count; i++)
                        if (!found->items[i].holds)
                                tell_example(&found->items[i], problems);
        heap_free(found);
        policy_document_free(document);
}
