/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Definitions: named, versioned documents of a workspace.
 *
 *   draft -> published -> promoted to an environment
 *
 * A draft may be replaced and deleted. Publishing checks the document (kinds.h)
 * and is final: the same kind, name and version never has other bytes again.
 * Of each name an environment has one version, the one that was promoted last;
 * whatever runs there sees nothing else. Promotion to an environment that is
 * not for trying things out (definition_is_trial) is an action that people
 * must approve (approvals/control.h, operation `definition.promote`).
 */
#pragma once

#include "approvals/control.h"
#include "definitions/document.h"
#include "store/store.h"

struct definition_kind;

/* What a document says of itself; strings as in the text. */
struct definition_head {
        const struct definition_kind *kind;
        struct str name, version, title;
        const struct node *tags; /* NULL: none */
};

/*
 * Reads kind, name and version, which every document must have to be kept at
 * all. BAD_DEFINITION with the first mistake; `problems` has all of them.
 */
bool definition_read(struct str kind, struct str content, struct problems *problems,
                     struct definition_head *ret, const struct node **ret_root, struct err *err) MUST_USE;
/* All that publishing demands; BAD_DEFINITION as above. Warnings alone are no reason. */
bool definition_check(struct str kind, struct str content, struct problems *problems,
                      struct definition_head *ret, struct err *err) MUST_USE;
/* The problems as JSON: [{"line", "column", "path", "severity", "message"}]. In the arena. */
struct str definition_problems_json(struct arena *arena, const struct problems *problems);

/* `test` and `dev`: promoting there needs no approval. */
bool definition_is_trial(struct str environment);

/* ---- inside a write transaction of the cell ---- */

struct definition_author {
        struct str workspace, principal;
        int64_t now_ms;
};

/*
 * Keeps the document as a draft; a draft of that name and version is replaced.
 * Already published: nothing happens when the bytes are the same, else
 * ALREADY_EXISTS. `ret_id` in the transaction's arena.
 */
bool definition_keep(struct tx *tx, const struct definition_author *author,
                     const struct definition_head *head, struct str content, struct str *ret_id,
                     struct err *err) MUST_USE;
/*
 * Publishes the draft with that digest (hex). CONFLICT: the draft has other
 * bytes by now. Published already: nothing happens. NOT_FOUND.
 */
bool definition_publish_draft(struct tx *tx, const struct definition_author *author, struct str id,
                              struct str digest, struct err *err) MUST_USE;
/*
 * Makes a published definition what the environment has. `action`: what was
 * approved, or {NULL, 0}. CONFLICT for a draft. NOT_FOUND.
 */
bool definition_promote_to(struct tx *tx, const struct definition_author *author, struct str id,
                           struct str environment, struct str action, struct err *err) MUST_USE;

/* `definition.promote`, for register_control. */
extern const struct control_operation definition_control_promote;
