/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies as documents. Format 1.0:
 *
 *   policy: '1.0'
 *   document: {name: no-removal-at-night, version: 1.0.0}
 *   rules:
 *     - name: quiet-nights
 *       effect: forbid                        # or permit, require
 *       operations: [docker/container.*]      # absent: all; * stands for anything
 *       environments: [prd]                   # absent: all
 *       when: time.getHours('Europe/Berlin') < 6
 *       reason: Nobody is there at night.
 *     - name: the-rest
 *       effect: permit
 *   examples:
 *     - name: at four in the morning
 *       input: {operation: docker/container.stop, environment: prd, time: '2026-03-02T03:00:00Z'}
 *       expect: deny
 *       rule: quiet-nights
 *
 * The names that conditions know are in policy_cel.h, and for people in
 * docs/policies.md.
 */
#pragma once

#include "cel/cel.h"
#include "definitions/document.h"
#include "policy/policy.h"

enum { POLICY_RULES_MAX = 64, POLICY_EXAMPLES_MAX = 64 };

enum policy_effect { POLICY_PERMIT, POLICY_FORBID, POLICY_REQUIREMENT };
/* "permit", "forbid", "require". */
const char *policy_effect_name(enum policy_effect effect);

struct policy_rule {
        struct str name;
        struct str reason; /* "": none was given */
        enum policy_effect effect;
        unsigned decisions; /* POLICY_REQUIREMENT: 1 to 16 */
        const struct str *operations, *environments;
        uint32_t operation_count, environment_count; /* 0: all */
        struct str when;                             /* "": always */
        struct cel_program *condition;               /* NULL: always */
};

struct policy_document {
        struct str name, version;
        struct str content; /* as it was read */
        char digest[POLICY_DIGEST_SIZE];
        struct policy_rule *rules;
        uint32_t rule_count;
        struct arena arena;
};

/* Of an example: what it says, and what the document says. Strings live as long as the document's tree. */
struct policy_example {
        const struct node *node;
        struct str name;
        struct str expect; /* "deny", "allow", "require" */
        unsigned decisions;
        struct str rule; /* {NULL, 0}: any */
        bool holds;
        struct policy_decision decision;
        struct policy_explanation explanation;
};

struct policy_examples {
        struct policy_example items[POLICY_EXAMPLES_MAX];
        size_t count;
};

/*
 * All that is wrong with a document, the examples that do not hold among it:
 * the `check` of the kind `policy`.
 */
void policy_document_check(const struct node *root, struct problems *problems);

/*
 * A document from its bytes, checked but for its examples. NULL: at least one
 * problem says why. Free with policy_document_free; `problems` may go.
 */
struct policy_document *policy_document_read(struct str content, struct problems *problems);
void policy_document_free(struct policy_document *document);
size_t policy_document_bytes(const struct policy_document *document);

/*
 * Reads and runs the examples as the only document of its layer, with the
 * built-in one nowhere. False: problems; what does not hold is none of them.
 */
bool policy_examples_run(const struct policy_document *document, const struct node *root,
                         struct problems *problems, struct policy_examples *ret);

/* Whether pattern, in which `*` stands for any characters, is the text. */
bool policy_glob(struct str pattern, struct str text);
