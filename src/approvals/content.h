/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an action carries: statement, the asker's words, output, the executor's
 * message. Each action has a key of its own, under the tenant's key; its content
 * is sealed with that one and nothing else. While the action is open approvers
 * and executors see it. When it closes in a workspace that keeps metadata only,
 * the key is erased in the same transaction, and with it every copy of the
 * content that pages, logs and backups of the database may still hold.
 *
 * Private to src/approvals.
 */
#pragma once

#include "approvals/approvals.h"
#include "crypto/aead.h"

struct content {
        struct str action;          /* whose */
        uint8_t key[AEAD_KEY_SIZE]; /* wiped by content_wipe */
};

void content_wipe(struct content *content);
#define CONTENT_SCOPED __attribute__((cleanup(content_wipe))) struct content

/* Whether the workspace keeps what its actions carry. NOT_FOUND without such a workspace. */
bool content_is_kept(struct tx *tx, struct str workspace, bool *ret_kept, struct err *err) MUST_USE;

/* A new key for an action, and the same sealed under the tenant's key. */
bool content_new(struct tx *tx, struct str action, struct content *ret, struct str *ret_sealed_key,
                 struct err *err) MUST_USE;
/* The key of a row that has one. */
bool content_of(struct tx *tx, const struct sql_action_get_row *row, struct content *ret,
                struct err *err) MUST_USE;

/* `part` names the column or, for output, the place in it. A NULL `plain` stays NULL. In tx_arena(tx). */
bool content_seal(struct tx *tx, const struct content *content, struct str part, struct str plain,
                  struct str *ret_sealed, struct err *err) MUST_USE;
bool content_open(struct tx *tx, const struct content *content, struct str part, struct str sealed,
                  struct str *ret_plain, struct err *err) MUST_USE;

/* Replaces what is sealed in the row by what it says. Nothing to do when its key is gone. */
bool content_open_row(struct tx *tx, struct sql_action_get_row *row, struct err *err) MUST_USE;

/* At the close: erases what is not to be kept, in the tables and in the row at hand. */
bool content_close(struct tx *tx, struct sql_action_get_row *row, struct err *err) MUST_USE;
/* The rest of it, where the statement that closed the action has erased what its own row had. */
bool content_close_rest(struct tx *tx, struct sql_action_get_row *row, struct err *err) MUST_USE;

/* The part name of a piece of output, in tx_arena(tx). */
struct str content_output_part(struct tx *tx, int64_t starts_at);
