/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

#include "crypto/sha256.h"
#include "policy/policy_cel.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const char builtin_text[] =
        "policy: '1.0'\n"
        "document: {name: built-in, version: 1.0.0, title: What holds where nobody has written a policy}\n"
        "rules:\n"
        "  - name: reads-run-at-once\n"
        "    effect: permit\n"
        "    when: operation.effect == 'reads'\n"
        "    reason: Nothing is different afterwards.\n"
        "  - name: changes-need-one\n"
        "    effect: require\n"
        "    decisions: 1\n"
        "    when: operation.effect == 'changes'\n"
        "    reason: 'Something is different afterwards: one person must agree.'\n"
        "  - name: destroys-in-test-need-one\n"
        "    effect: require\n"
        "    decisions: 1\n"
        "    environments: [test]\n"
        "    when: operation.effect == 'destroys'\n"
        "    reason: 'Something is gone afterwards, but only in test: one person must agree.'\n"
        "  - name: destroys-need-two\n"
        "    effect: require\n"
        "    decisions: 2\n"
        "    when: operation.effect == 'destroys' && environment != 'test'\n"
        "    reason: 'Something is gone afterwards: two people must agree.'\n"
        "examples:\n"
        "  - input: {operation: docker/container.list, environment: prd}\n"
        "    expect: allow\n"
        "    rule: reads-run-at-once\n"
        "  - input: {operation: docker/container.restart, environment: prd, target: web}\n"
        "    expect: require\n"
        "    decisions: 1\n"
        "  - input: {operation: docker/container.remove, environment: test, target: web}\n"
        "    expect: require\n"
        "    decisions: 1\n"
        "    rule: destroys-in-test-need-one\n"
        "  - input: {operation: docker/container.remove, environment: prd, target: web}\n"
        "    expect: require\n"
        "    decisions: 2\n"
        "    rule: destroys-need-two\n";

/* Made once, then only read. */
static struct {
        pthread_once_t once;
        struct policy_document *document;
        struct policy_set set;
} builtin = {.once = PTHREAD_ONCE_INIT};

static void make_builtin(void)
{
        struct problems problems;
        ARENA_SCOPED arena;

        arena_init(&arena, 1 << 20);
        problems_init(&problems, &arena);
        builtin.document = policy_document_read(policy_builtin_text(), &problems);
        if (!builtin.document)
                abort(); /* a text of ours that is wrong, or no memory for some KiB */
        builtin.set.documents[POLICY_PLATFORM][0] = builtin.document;
        builtin.set.counts[POLICY_PLATFORM] = 1;
        policy_set_close(&builtin.set);
}

struct str policy_builtin_text(void)
{
        return str_make(builtin_text, sizeof(builtin_text) - 1);
}

const struct policy_document *policy_builtin(void)
{
        (void)pthread_once(&builtin.once, make_builtin);
        return builtin.document;
}

const struct policy_set *policy_set_builtin(void)
{
        (void)policy_builtin();
        return &builtin.set;
}

/* ---- names ------------------------------------------------------------------------------------- */

static const char *const layer_names[POLICY_LAYERS] = {"platform", "tier", "tenant", "workspace"};

const char *policy_layer_name(enum policy_layer layer)
{
        return layer_names[layer];
}

bool policy_layer_from(struct str name, enum policy_layer *ret)
{
        for (unsigned i = 0; i < POLICY_LAYERS; i++)
                if (str_is(name, layer_names[i])) {
                        *ret = (enum policy_layer)i;
                        return true;
                }
        return false;
}

const char *policy_verdict_name(enum policy_verdict verdict)
{
        static const char *const names[] = {
                [POLICY_DENY] = "deny", [POLICY_ALLOW] = "allow", [POLICY_REQUIRE] = "require"};

        return names[verdict];
}

const char *policy_outcome_name(enum policy_outcome outcome)
{
        static const char *const names[] = {[POLICY_OTHER] = "other",
                                            [POLICY_UNMATCHED] = "unmatched",
                                            [POLICY_MATCHED] = "matched",
                                            [POLICY_FAILED] = "failed"};

        return names[outcome];
}

/* ---- sets -------------------------------------------------------------------------------------- */

static int compare_documents(const void *a, const void *b)
{
        const struct policy_document *const *one = a;
        const struct policy_document *const *two = b;
        int order = str_compare((*one)->name, (*two)->name);

        return order != 0 ? order : strcmp((*one)->digest, (*two)->digest);
}

void policy_set_close(struct policy_set *set)
{
        struct sha256_stream stream;
        struct sha256 hash;

        if (set->counts[POLICY_PLATFORM] == 0) {
                set->documents[POLICY_PLATFORM][0] = policy_builtin();
                set->counts[POLICY_PLATFORM] = 1;
        }
        sha256_begin(&stream);
        for (unsigned layer = 0; layer < POLICY_LAYERS; layer++) {
                qsort(set->documents[layer], set->counts[layer], sizeof(set->documents[layer][0]),
                      compare_documents);
                for (unsigned i = 0; i < set->counts[layer]; i++) {
                        const struct policy_document *document = set->documents[layer][i];

                        sha256_add(&stream, str_from(layer_names[layer]));
                        sha256_add(&stream, STR(" "));
                        sha256_add(&stream, document->name);
                        sha256_add(&stream, STR("@"));
                        sha256_add(&stream, document->version);
                        sha256_add(&stream, STR(" "));
                        sha256_add(&stream, str_from(document->digest));
                        sha256_add(&stream, STR("\n"));
                }
        }
        sha256_end(&stream, &hash);
        sha256_format(&hash, set->digest);
}

/* ---- one rule ---------------------------------------------------------------------------------- */

static bool listed(const struct str *items, uint32_t count, struct str text)
{
        for (uint32_t i = 0; i < count; i++)
                if (policy_glob(items[i], text))
                        return true;
        return count == 0;
}

static bool speaks_of(const struct policy_rule *rule, const struct policy_input *input)
{
        char operation[256];

        (void)snprintf(operation, sizeof(operation), "%s/%s", input->operation->connector,
                       input->operation->name);
        return listed(rule->operations, rule->operation_count, str_from(operation)) &&
               listed(rule->environments, rule->environment_count, input->environment);
}

struct deciding {
        const struct policy_input *input;
        struct arena *arena;
        struct policy_explanation *explanation; /* NULL: nobody asks */
};

static struct str trace_text(struct arena *arena, const struct cel_trace *trace)
{
        struct str text;
        BUF_SCOPED buf;

        buf_init(&buf, 16 * 1024);
        if (trace)
                cel_trace_append(&buf, trace);
        text = arena_str(arena, buf_str(&buf));
        return text.ptr ? text : STR("");
}

static enum policy_outcome evaluate(const struct deciding *deciding, const struct policy_rule *rule,
                                    struct policy_step *step)
{
        struct arena_mark mark = arena_mark(deciding->arena);
        struct cel_trace *trace = step ? cel_trace_new(deciding->arena, rule->condition) : NULL;
        struct err err;
        bool holds = false;
        bool ok = policy_condition_holds(rule->condition, deciding->input, deciding->arena, trace, &holds,
                                         &err);

        if (!step) {
                arena_rewind(deciding->arena, mark);
        } else {
                step->values = trace_text(deciding->arena, trace);
                if (!ok)
                        step->error = arena_str(deciding->arena, str_from(err.message));
        }
        return !ok ? POLICY_FAILED : holds ? POLICY_MATCHED : POLICY_UNMATCHED;
}

static enum policy_outcome try_rule(const struct deciding *deciding, enum policy_layer layer,
                                    const struct policy_document *document, const struct policy_rule *rule)
{
        struct policy_explanation *explanation = deciding->explanation;
        struct policy_step *step = NULL;
        enum policy_outcome outcome;

        if (explanation && explanation->steps) {
                step = &explanation->steps[explanation->count++];
                *step = (struct policy_step){
                        .layer = layer, .document = document, .rule = rule, .values = STR("")};
        }
        outcome = !speaks_of(rule, deciding->input) ? POLICY_OTHER
                  : !rule->condition                ? POLICY_MATCHED
                                                    : evaluate(deciding, rule, step);
        if (step)
                step->outcome = outcome;
        return outcome;
}

/* ---- one layer --------------------------------------------------------------------------------- */

struct verdict {
        bool permitted;
        /* Of several the strictest, and then the first by name: the order of the text does not matter. */
        const struct policy_rule *permit, *forbid, *require;
};

static void take_first(const struct policy_rule **place, const struct policy_rule *rule)
{
        if (!*place || str_compare(rule->name, (*place)->name) < 0)
                *place = rule;
}

static void count_rule(struct verdict *verdict, const struct policy_rule *rule, enum policy_outcome outcome)
{
        if (outcome != POLICY_MATCHED && outcome != POLICY_FAILED)
                return;
        switch (rule->effect) {
        case POLICY_PERMIT:
                if (outcome == POLICY_FAILED)
                        return;
                verdict->permitted = true;
                take_first(&verdict->permit, rule);
                return;
        case POLICY_FORBID:
                take_first(&verdict->forbid, rule);
                return;
        case POLICY_REQUIREMENT:
                /* It permits, once so many have agreed; one without a value only asks for them. */
                verdict->permitted = verdict->permitted || outcome == POLICY_MATCHED;
                if (verdict->require && verdict->require->decisions > rule->decisions)
                        return;
                if (verdict->require && verdict->require->decisions < rule->decisions)
                        verdict->require = NULL;
                take_first(&verdict->require, rule);
        }
}

static struct verdict try_layer(const struct deciding *deciding, const struct policy_set *set,
                                enum policy_layer layer)
{
        struct verdict verdict = {0};

        for (unsigned i = 0; i < set->counts[layer]; i++) {
                const struct policy_document *document = set->documents[layer][i];

                for (uint32_t j = 0; j < document->rule_count; j++)
                        count_rule(&verdict, &document->rules[j],
                                   try_rule(deciding, layer, document, &document->rules[j]));
        }
        return verdict;
}

/* ---- all layers -------------------------------------------------------------------------------- */

static void begin_explanation(const struct policy_set *set, struct arena *arena,
                              struct policy_explanation *explanation)
{
        size_t count = 0;

        for (unsigned layer = 0; layer < POLICY_LAYERS; layer++)
                for (unsigned i = 0; i < set->counts[layer]; i++)
                        count += set->documents[layer][i]->rule_count;
        *explanation = (struct policy_explanation){.steps = ARENA_ARRAY(arena, struct policy_step, count)};
}

static struct str or_words(struct str text, const char *words)
{
        return text.len > 0 ? text : str_from(words);
}

/* Rules are shared by all who decide; which document one is of says only the set. */
static struct str where_is(const struct policy_set *set, const struct policy_rule *rule, struct arena *arena)
{
        for (unsigned layer = 0; layer < POLICY_LAYERS; layer++)
                for (unsigned i = 0; i < set->counts[layer]; i++) {
                        const struct policy_document *document = set->documents[layer][i];

                        if (rule >= document->rules && rule < document->rules + document->rule_count)
                                return arena_printf(arena, "%s %.*s@%.*s", layer_names[layer],
                                                    STR_ARG(document->name), STR_ARG(document->version));
                }
        return STR("");
}

static void say_rule(const struct policy_rule *rule, const char *otherwise, struct policy_decision *ret)
{
        ret->rule = rule->name;
        ret->reason = or_words(rule->reason, otherwise);
}

static void say_denied(const struct verdict verdicts[POLICY_LAYERS], const struct policy_set *set,
                       struct arena *arena, struct policy_decision *ret)
{
        ret->verdict = POLICY_DENY;
        for (unsigned layer = 0; layer < POLICY_LAYERS; layer++)
                if (verdicts[layer].forbid) {
                        say_rule(verdicts[layer].forbid, "A rule forbids it.", ret);
                        ret->where = where_is(set, verdicts[layer].forbid, arena);
                        return;
                }
        ret->rule = STR("default-deny");
        ret->reason = STR("No rule speaks of this.");
        for (unsigned layer = 0; layer < POLICY_LAYERS; layer++)
                if (set->counts[layer] > 0 && !verdicts[layer].permitted) {
                        struct str text = arena_printf(arena, "No rule of the %s's policies permits this.",
                                                       layer_names[layer]);

                        if (text.ptr)
                                ret->reason = text;
                        ret->where = str_from(layer_names[layer]);
                        return;
                }
}

static void say_required(const struct policy_rule *rule, struct policy_decision *ret)
{
        ret->verdict = POLICY_REQUIRE;
        ret->decisions = rule ? rule->decisions : 1;
        ret->role_count = 1;
        ret->roles[0] = STR("approver"); /* the one that a roster knows */
        if (rule) {
                say_rule(rule, "People must agree.", ret);
        } else {
                ret->rule = STR("changes-never-run-at-once");
                ret->reason = STR("Whatever policies say: what changes things needs one person who agrees.");
        }
}

static enum policy_verdict layer_verdict(const struct verdict *verdict)
{
        if (verdict->forbid || !verdict->permitted)
                return POLICY_DENY;
        return verdict->require ? POLICY_REQUIRE : POLICY_ALLOW;
}

/*
 * What mends a policy cannot be denied by what it would mend: below the
 * platform, and in its own tenant, only requirements count for it.
 */
static bool mends_policies(const struct catalogue_operation *operation)
{
        return str_is(str_from(operation->connector), "countersign") &&
               str_starts(str_from(operation->name), STR("policy."));
}

void policy_decide(const struct policy_set *set, const struct policy_input *input, struct arena *arena,
                   struct policy_explanation *ret_explanation, struct policy_decision *ret)
{
        const struct deciding deciding = {input, arena, ret_explanation};
        struct verdict verdicts[POLICY_LAYERS];
        const struct policy_rule *require = NULL;
        bool denied = set->counts[POLICY_PLATFORM] == 0;

        *ret = (struct policy_decision){.where = STR(""), .digest = str_from(set->digest)};
        if (ret_explanation)
                begin_explanation(set, arena, ret_explanation);
        for (unsigned layer = 0; layer < POLICY_LAYERS; layer++) {
                struct verdict *verdict = &verdicts[layer];

                *verdict = try_layer(&deciding, set, (enum policy_layer)layer);
                if ((layer != POLICY_PLATFORM || set->is_platforms) && mends_policies(input->operation)) {
                        verdict->forbid = NULL;
                        verdict->permitted = true;
                }
                if (ret_explanation) {
                        ret_explanation->silent[layer] = set->counts[layer] == 0;
                        ret_explanation->verdicts[layer] = layer_verdict(verdict);
                }
                if (set->counts[layer] > 0 && layer_verdict(verdict) == POLICY_DENY)
                        denied = true;
                if (verdict->require && (!require || verdict->require->decisions > require->decisions))
                        require = verdict->require;
        }
        if (denied) {
                say_denied(verdicts, set, arena, ret);
        } else if (require || input->operation->effect != EFFECT_READS) {
                say_required(require, ret);
                if (require)
                        ret->where = where_is(set, require, arena);
        } else {
                ret->verdict = POLICY_ALLOW;
                say_rule(verdicts[POLICY_PLATFORM].permit, "It is permitted.", ret);
                ret->where = where_is(set, verdicts[POLICY_PLATFORM].permit, arena);
        }
}

void policy_decision_keep(struct arena *arena, struct policy_decision *decision)
{
        decision->rule = arena_str(arena, decision->rule);
        decision->where = arena_str(arena, decision->where);
        decision->reason = arena_str(arena, decision->reason);
        decision->digest = arena_str(arena, decision->digest);
        for (unsigned i = 0; i < decision->role_count; i++)
                decision->roles[i] = arena_str(arena, decision->roles[i]);
}

/* ---- advice ------------------------------------------------------------------------------------ */

static struct str advise_step(struct arena *arena, const struct policy_explanation *explanation,
                              const struct policy_step *step)
{
        const struct policy_rule *rule = step->rule;
        bool counts = step->outcome == POLICY_MATCHED || step->outcome == POLICY_FAILED;
        bool closed = !explanation->silent[step->layer] && explanation->verdicts[step->layer] == POLICY_DENY;
        const char *what =
                rule->effect == POLICY_FORBID && counts              ? "must not apply"
                : rule->effect != POLICY_FORBID && closed && !counts ? "would permit it if it applied"
                : rule->effect == POLICY_REQUIREMENT && counts ? "asks for people as long as it applies"
                                                               : NULL;

        if (!what)
                return STR("");
        return arena_printf(arena, "%.*s (%s, %.*s) %s%s%.*s\n", STR_ARG(rule->name),
                            layer_names[step->layer], STR_ARG(step->document->name), what,
                            rule->when.len > 0 ? ": " : "", STR_ARG(rule->when));
}

struct str policy_advice(struct arena *arena, const struct policy_explanation *explanation,
                         const struct policy_decision *decision)
{
        struct str text;
        BUF_SCOPED buf;

        buf_init(&buf, 32 * 1024);
        for (size_t i = 0; i < explanation->count; i++)
                buf_append_str(&buf, advise_step(arena, explanation, &explanation->steps[i]));
        if (decision->verdict == POLICY_DENY && buf.len == 0)
                buf_append_str(&buf, STR("A rule that permits it must be added.\n"));
        text = arena_str(arena, buf_str(&buf));
        return text.ptr ? text : STR("");
}
