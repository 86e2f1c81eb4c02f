/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

#include "base/json_write.h"
#include "crypto/sha256.h"

#include <pthread.h>
#include <stdlib.h>

static const struct policy_rule rules[] = {
        {.name = "reads-run-at-once",
         .reason = "Nothing is different afterwards.",
         .effect = EFFECT_READS,
         .verdict = POLICY_ALLOW},
        {.name = "changes-need-one",
         .reason = "Something is different afterwards: one person must agree.",
         .effect = EFFECT_CHANGES,
         .verdict = POLICY_REQUIRE,
         .decisions = 1},
        {.name = "destroys-in-test-need-one",
         .reason = "Something is gone afterwards, but only in test: one person must agree.",
         .effect = EFFECT_DESTROYS,
         .environment = "test",
         .verdict = POLICY_REQUIRE,
         .decisions = 1},
        {.name = "destroys-need-two",
         .reason = "Something is gone afterwards: two people must agree.",
         .effect = EFFECT_DESTROYS,
         .not_environment = "test",
         .verdict = POLICY_REQUIRE,
         .decisions = 2},
};

enum { RULES = sizeof(rules) / sizeof(rules[0]), TEXT_MAX = 4096 };

static const char *const verdict_names[] = {
        [POLICY_DENY] = "deny",
        [POLICY_ALLOW] = "allow",
        [POLICY_REQUIRE] = "require",
};

/* Made once, from the table. */
static struct {
        pthread_once_t once;
        char text[TEXT_MAX];
        size_t len;
        char digest[SHA256_HEX_SIZE];
} policy = {.once = PTHREAD_ONCE_INIT};

static void write_rule(struct json_writer *w, const struct policy_rule *rule)
{
        /* In RFC 8785's order. */
        json_object_begin(w);
        if (rule->verdict == POLICY_REQUIRE)
                json_field_int(w, "decisions", rule->decisions);
        json_field_c(w, "effect", effect_name(rule->effect));
        if (rule->environment)
                json_field_c(w, "environment", rule->environment);
        json_field_c(w, "name", rule->name);
        if (rule->not_environment)
                json_field_c(w, "not_environment", rule->not_environment);
        json_field_c(w, "verdict", verdict_names[rule->verdict]);
        json_object_end(w);
}

static void make_text(void)
{
        struct json_writer w;
        struct sha256 hash;
        BUF_SCOPED buf;

        buf_init(&buf, TEXT_MAX);
        json_writer_init(&w, &buf);
        json_object_begin(&w);
        json_field_c(&w, "format", "countersign/policy/built-in/v1");
        json_key(&w, "rules");
        json_array_begin(&w);
        for (size_t i = 0; i < RULES; i++)
                write_rule(&w, &rules[i]);
        json_array_end(&w);
        json_object_end(&w);
        if (buf.failed || buf.len > sizeof(policy.text))
                abort(); /* a table of ours that does not fit, or no memory for 1 KiB at the start */
        memcpy(policy.text, buf.ptr, buf.len);
        policy.len = buf.len;
        sha256_of(buf_str(&buf), &hash);
        sha256_format(&hash, policy.digest);
}

struct str policy_text(void)
{
        (void)pthread_once(&policy.once, make_text);
        return str_make(policy.text, policy.len);
}

const struct policy_rule *policy_rules(size_t *ret_count)
{
        *ret_count = RULES;
        return rules;
}

static bool rule_matches(const struct policy_rule *rule, const struct policy_input *input)
{
        return rule->effect == input->operation->effect &&
               (!rule->environment || str_is(input->environment, rule->environment)) &&
               (!rule->not_environment || !str_is(input->environment, rule->not_environment));
}

uint64_t policy_matches(const struct policy_input *input)
{
        uint64_t matches = 0;

        for (size_t i = 0; i < RULES; i++)
                if (rule_matches(&rules[i], input))
                        matches |= UINT64_C(1) << i;
        return matches;
}

/* Deny is stricter than any requirement, a requirement stricter than none, more people stricter than fewer.
 */
static bool is_stricter(const struct policy_rule *a, const struct policy_rule *b)
{
        static const int rank[] = {[POLICY_DENY] = 2, [POLICY_REQUIRE] = 1, [POLICY_ALLOW] = 0};

        if (rank[a->verdict] != rank[b->verdict])
                return rank[a->verdict] > rank[b->verdict];
        return a->decisions > b->decisions;
}

void policy_decide(const struct policy_input *input, struct policy_decision *ret)
{
        uint64_t matches = policy_matches(input);
        const struct policy_rule *strictest = NULL;

        (void)policy_text();
        *ret = (struct policy_decision){
                .verdict = POLICY_DENY,
                .rule = STR("default-deny"),
                .reason = STR("No rule speaks of this."),
                .digest = str_from(policy.digest),
        };
        for (size_t i = 0; i < RULES; i++)
                if ((matches >> i & 1) && (!strictest || is_stricter(&rules[i], strictest)))
                        strictest = &rules[i];
        if (!strictest || (strictest->verdict == POLICY_ALLOW && input->operation->effect != EFFECT_READS))
                return;
        ret->verdict = strictest->verdict;
        ret->rule = str_from(strictest->name);
        ret->reason = str_from(strictest->reason);
        if (strictest->verdict != POLICY_REQUIRE)
                return;
        ret->decisions = strictest->decisions;
        ret->role_count = 1;
        ret->roles[0] = STR("approver");
}
