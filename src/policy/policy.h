/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must happen before an action may run. One question, one answer; behind
 * it stand policies, which are documents (policy_document.h), in four layers:
 * the platform's, the tier's, the tenant's, the workspace's. Where nobody wrote
 * anything, the built-in document is the platform's.
 *
 * The rules are Cedar's (docs.cedarpolicy.com, "Authorization"): what nothing
 * permits is denied, a forbid wins, the order of rules and documents does not
 * matter. Every layer that has a document must permit; forbids and requirements
 * of all layers count, so that a layer can only tighten what is above it. See
 * docs/decisions/0072-each-layer-must-permit.md.
 *
 * Nothing here knows of stores; a set may be read by any number of threads.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "catalogue/catalogue.h"

/* Absent strings are {NULL, 0}, and read as "" by conditions. */
struct policy_input {
        struct str tenant;
        struct str tier; /* "basic", … */
        struct str workspace;
        struct str data_mode;      /* of the workspace: "metadata_only", "full" */
        const struct json *labels; /* of the workspace, an object of strings; NULL: none */
        struct str environment;
        const struct catalogue_operation *operation;
        struct str target;             /* as asked for, or {NULL, 0} */
        const struct json *parameters; /* NULL: none */
        struct str requester_id;
        struct str requester_kind; /* "user", "service", "agent" */
        /* Of agents, the stricter of profile and credential; {NULL, 0} for all others. */
        struct str requester_scope; /* "read_only", "code_gen", "read_write" */
        struct str requester_risk;  /* "low", "medium", "high", "critical" */
        int64_t time_ms;
};

enum policy_verdict {
        POLICY_DENY,    /* never */
        POLICY_ALLOW,   /* at once; for operations that only read */
        POLICY_REQUIRE, /* once enough people have signed */
};
/* "deny", "allow", "require". */
const char *policy_verdict_name(enum policy_verdict verdict);

enum { POLICY_ROLES_MAX = 8, POLICY_DECISIONS_MAX = 16, POLICY_DOCUMENTS_MAX = 8, POLICY_DIGEST_SIZE = 65 };

/* The strings are in the arena of policy_decide, or of the set. */
struct policy_decision {
        enum policy_verdict verdict;
        struct str rule;    /* the name of the rule that decided */
        struct str where;   /* where it stands: "tenant house@1.0.0"; a layer that permits nothing: "tenant";
                               or "" */
        struct str reason;  /* one sentence for people */
        unsigned decisions; /* POLICY_REQUIRE: 1 to 16; else 0 */
        unsigned role_count;
        struct str roles[POLICY_ROLES_MAX]; /* any of them */
        struct str digest;                  /* SHA-256 over what is in force, 64 hex digits */
};

enum policy_layer { POLICY_PLATFORM, POLICY_TIER, POLICY_TENANT, POLICY_WORKSPACE, POLICY_LAYERS };
/* "platform", "tier", "tenant", "workspace". */
const char *policy_layer_name(enum policy_layer layer);
bool policy_layer_from(struct str name, enum policy_layer *ret) MUST_USE;

struct policy_document;

/* What is in force somewhere. The documents are not owned. */
struct policy_set {
        const struct policy_document *documents[POLICY_LAYERS][POLICY_DOCUMENTS_MAX];
        unsigned counts[POLICY_LAYERS];
        bool is_platforms; /* in force in the platform's own tenant, whose the upper layers are too */
        char digest[POLICY_DIGEST_SIZE];
};

/* The document that is the platform's where it has none of its own: its text, and what was read from it. */
struct str policy_builtin_text(void);
const struct policy_document *policy_builtin(void);
/* Empty, but for the built-in document at the platform's layer. */
const struct policy_set *policy_set_builtin(void);
/*
 * Puts the digest: SHA-256 of one line for each document, "LAYER NAME@VERSION
 * DIGEST\n", by layer and then by name; whatever order they were added in. A set
 * whose platform layer is empty gets the built-in document there.
 */
void policy_set_close(struct policy_set *set);

/* ---- explaining ---- */

enum policy_outcome {
        POLICY_OTHER,     /* about other operations or environments */
        POLICY_UNMATCHED, /* its condition does not hold */
        POLICY_MATCHED,
        POLICY_FAILED, /* its condition has no value: forbids and requirements count, a permit does not */
};
const char *policy_outcome_name(enum policy_outcome outcome);

struct policy_step {
        enum policy_layer layer;
        const struct policy_document *document;
        const struct policy_rule *rule;
        enum policy_outcome outcome;
        struct str error;  /* POLICY_FAILED: why */
        struct str values; /* the values that its condition saw, one a line; "" for rules without one */
};

struct policy_explanation {
        struct policy_step *steps; /* in the order of layers, documents and rules */
        size_t count;
        enum policy_verdict verdicts[POLICY_LAYERS]; /* what each layer says for itself */
        bool silent[POLICY_LAYERS];                  /* it has no document, and says nothing */
};

/*
 * Always answers. Whatever the rules say, an operation that changes or destroys
 * is never POLICY_ALLOW; and operations that change policies (`policy.…` of the
 * connector countersign) are denied by the platform's layer only, and in the
 * platform's own tenant by none, so that a mistake can be undone. `ret_explanation` may be NULL; what it and
 * the decision point to is in the arena. A condition that finds the arena full has failed.
 */
void policy_decide(const struct policy_set *set, const struct policy_input *input, struct arena *arena,
                   struct policy_explanation *ret_explanation, struct policy_decision *ret);

/* Copies what the decision points to into the arena, so that the set may go. */
void policy_decision_keep(struct arena *arena, struct policy_decision *decision);

/* For people: what would have to be different for a milder answer. Sentences, one a line; "" for none. */
struct str policy_advice(struct arena *arena, const struct policy_explanation *explanation,
                         const struct policy_decision *decision);
