/* SPDX-License-Identifier: Apache-2.0 */
/* What policies would say, and why. */
#include "api/api_handlers.h"
#include "api/services.h"
#include "base/heap.h"
#include "definitions/definitions.h"
#include "policy/policies.h"

enum { SCRATCH_BYTES = 64 << 20, LINE_MAX_BYTES = 2000 };

/* ---- a decision for people ----------------------------------------------------------------------- */

static void fill_step(struct arena *arena, const struct policy_step *step, struct api_policy_step *out)
{
        *out = (struct api_policy_step){
                .layer = (enum api_policy_layer)(step->layer + API_POLICY_LAYER_PLATFORM),
                .policy = arena_printf(arena, "%.*s@%.*s", STR_ARG(step->document->name),
                                       STR_ARG(step->document->version)),
                .rule = arena_str(arena, step->rule->name),
                .effect = (enum api_policy_step_effect)(step->rule->effect + API_POLICY_STEP_EFFECT_PERMIT),
                .has_decisions = step->rule->effect == POLICY_REQUIREMENT,
                .decisions = step->rule->decisions,
                .outcome = (enum api_policy_step_outcome)(step->outcome + API_POLICY_STEP_OUTCOME_OTHER),
        };
        if (step->rule->when.len > 0)
                out->when = arena_str(arena, step->rule->when);
        if (step->values.len > 0)
                out->values = arena_str(arena, str_slice(step->values, 0, LINE_MAX_BYTES));
        if (step->error.len > 0)
                out->error = arena_str(arena, step->error);
        out->values.len = str_utf8_prefix(out->values);
}

static enum api_policy_verdict verdict_to_api(enum policy_verdict verdict)
{
        return (enum api_policy_verdict)(verdict + API_POLICY_VERDICT_DENY);
}

static bool fill_decision(struct arena *arena, const struct policy_decision *decision,
                          const struct policy_explanation *explanation, struct api_policy_decision *out,
                          struct err *err)
{
        struct api_policy_step *steps = ARENA_ARRAY(arena, struct api_policy_step, explanation->count);
        struct api_policy_layer_verdict *layers =
                ARENA_ARRAY(arena, struct api_policy_layer_verdict, POLICY_LAYERS);
        struct str *roles = ARENA_ARRAY(arena, struct str, POLICY_ROLES_MAX);

        if (!steps || !layers || !roles)
                return arena_check(arena, err);
        for (size_t i = 0; i < explanation->count; i++)
                fill_step(arena, &explanation->steps[i], &steps[i]);
        for (unsigned i = 0; i < POLICY_LAYERS; i++) {
                layers[i].layer = (enum api_policy_layer)(i + API_POLICY_LAYER_PLATFORM);
                if (!explanation->silent[i])
                        layers[i].verdict = verdict_to_api(explanation->verdicts[i]);
        }
        for (unsigned i = 0; i < decision->role_count; i++)
                roles[i] = arena_str(arena, decision->roles[i]);
        *out = (struct api_policy_decision){
                .verdict = verdict_to_api(decision->verdict),
                .rule = arena_str(arena, decision->rule),
                .reason = arena_str(arena, decision->reason),
                .decisions = decision->decisions,
                .roles = roles,
                .roles_count = decision->role_count,
                .layers = layers,
                .layers_count = POLICY_LAYERS,
                .steps = steps,
                .steps_count = explanation->count,
                .advice = policy_advice(arena, explanation, decision),
        };
        if (decision->digest.len > 0)
                out->digest = arena_str(arena, decision->digest);
        return arena_check(arena, err);
}

/* ---- a document's examples ----------------------------------------------------------------------- */

static bool fill_problems(struct arena *arena, const struct problems *problems, struct api_policy_check *out,
                          struct err *err)
{
        struct api_definition_problem *items =
                ARENA_ARRAY(arena, struct api_definition_problem, PROBLEMS_MAX);

        for (const struct problem_item *p = problems->first; items && p; p = p->next)
                items[out->problems_count++] = (struct api_definition_problem){
                        .line = p->line,
                        .column = p->column,
                        .path = arena_str(arena, p->path),
                        .severity = p->severity == PROBLEM_ERROR ? API_DEFINITION_PROBLEM_SEVERITY_ERROR
                                                                 : API_DEFINITION_PROBLEM_SEVERITY_WARNING,
                        .message = arena_str(arena, p->message),
                };
        out->problems = items;
        return arena_check(arena, err);
}

static bool fill_example(struct arena *arena, const struct policy_example *example,
                         struct api_policy_example *out, struct err *err)
{
        *out = (struct api_policy_example){
                .name = arena_str(arena, example->name),
                .line = example->node->line,
                .expected = example->decisions ? arena_printf(arena, "%.*s %u", STR_ARG(example->expect),
                                                              example->decisions)
                                               : arena_str(arena, example->expect),
                .holds = example->holds,
        };
        if (example->rule.ptr)
                out->expected_rule = arena_str(arena, example->rule);
        return fill_decision(arena, &example->decision, &example->explanation, &out->decision, err);
}

struct checking {
        struct request *req;
        struct str content;
        struct api_policy_check *out;
        bool ok;
        struct err err;
};

static bool run_examples(struct checking *checking, struct problems *problems,
                         struct policy_document *document, const struct node *root,
                         struct policy_examples *examples)
{
        struct arena *arena = checking->req->arena;
        struct api_policy_check *out = checking->out;
        struct api_policy_example *items;

        if (!policy_examples_run(document, root, problems, examples))
                return true;
        items = ARENA_ARRAY(arena, struct api_policy_example, examples->count);
        out->examples = items;
        out->valid = items != NULL;
        for (size_t i = 0; items && i < examples->count; i++) {
                if (!fill_example(arena, &examples->items[i], &items[i], &checking->err))
                        return false;
                out->valid = out->valid && examples->items[i].holds;
                out->examples_count++;
        }
        return true;
}

/* On a thread: 64 examples against 64 rules are more than a loop should stand still for. */
static void check_blocking(void *arg)
{
        struct checking *checking = arg;
        struct policy_document *document;
        struct definition_head head;
        struct problems problems;
        const struct node *root;
        ARENA_SCOPED scratch = {0};

        arena_init(&scratch, SCRATCH_BYTES);
        problems_init(&problems, &scratch);
        checking->ok = true;
        if (!definition_read(STR("policy"), checking->content, &problems, &head, &root, &checking->err)) {
                if (checking->err.code != ERR_BAD_DEFINITION)
                        checking->ok = false;
        } else if ((document = policy_document_read(checking->content, &problems)) != NULL) {
                struct policy_examples *examples = heap_alloc_zeroed(1, sizeof(*examples));

                checking->ok = examples ? run_examples(checking, &problems, document, root, examples)
                                        : err_set(&checking->err, ERR_NO_MEMORY, "no memory for examples");
                heap_free(examples);
                policy_document_free(document);
        }
        checking->ok = checking->ok &&
                       fill_problems(checking->req->arena, &problems, checking->out, &checking->err);
}

FIBER_FN bool policy_check(struct request *req, const struct api_policy_check_in *in,
                           struct api_policy_check *out, struct err *err)
{
        struct checking checking = {.req = req, .content = in->body.content, .out = out};

        fiber_offload(check_blocking, &checking);
        if (!checking.ok)
                *err = checking.err;
        return checking.ok;
}

/* ---- a hypothetical action ------------------------------------------------------------------------ */

static bool take_question(struct request *req, const struct api_policy_question *question,
                          struct policy_input *input, struct err *err)
{
        struct json *parameters = ARENA_NEW(req->arena, struct json);

        input->environment = question->environment;
        input->operation = catalogue_find(question->connector, question->operation);
        if (!input->operation)
                return err_set_at(err, ERR_BAD_FIELD, "/operation",
                                  "the connector \"%.*s\" has no operation \"%.*s\"; `catalogue` lists all",
                                  STR_ARG(question->connector), STR_ARG(question->operation));
        if (!parameters || !catalogue_parameters_fill(req->arena, input->operation,
                                                      question->parameters.value, parameters, err))
                return parameters ? false : arena_check(req->arena, err);
        input->parameters = parameters;
        input->target = question->target;
        if (question->has_time)
                input->time_ms = question->time_ms;
        if (!question->requester)
                return true;
        if (question->requester->id.ptr)
                input->requester_id = question->requester->id;
        if (question->requester->kind)
                input->requester_kind = str_from(api_principal_kind_name(question->requester->kind));
        input->requester_risk = question->requester->risk;
        input->requester_scope = question->requester->scope;
        return true;
}

FIBER_FN bool policy_explain(struct request *req, const struct api_policy_explain_in *in,
                             struct api_policy_decision *out, struct err *err)
{
        struct policy_explanation explanation;
        struct policy_decision decision;
        struct policy_force *force;
        struct policy_input input;
        ARENA_SCOPED scratch = {0};
        bool ok;

        if (!policies_of_request(req, &force, err))
                return false;
        arena_init(&scratch, SCRATCH_BYTES);
        ok = policies_input(req, force, &input, err) && take_question(req, &in->body, &input, err);
        if (ok) {
                policy_decide(&force->set, &input, &scratch, &explanation, &decision);
                ok = arena_check(&scratch, err) &&
                     fill_decision(req->arena, &decision, &explanation, out, err);
        }
        policy_force_release(force);
        return ok;
}
