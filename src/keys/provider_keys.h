/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of model providers: a tenant's own keys at OpenAI, Azure OpenAI,
 * Anthropic, or an endpoint that speaks OpenAI's protocol. They are sealed under
 * the tenant's key, bound to a workspace and its region, and never shown again:
 * what can be seen is the last four characters and a keyed fingerprint.
 *
 * A rotation adds a newer secret; the older stays usable for the overlap, so
 * that a request which runs, or a provider which is slow to know the new one,
 * does not fail. Revoking erases all of it.
 *
 * These are the rules, over a transaction on the workspace's cell.
 */
#pragma once

#include "keys/keys_sql.h"
#include "store/store.h"

enum provider { PROVIDER_OPENAI, PROVIDER_AZURE_OPENAI, PROVIDER_ANTHROPIC, PROVIDER_COMPATIBLE };

enum { PROVIDER_SECRET_MAX = 512, PROVIDER_VERSIONS_MAX = 4 };

#define PROVIDER_OVERLAP_DEFAULT_MS (INT64_C(3600) * 1000)
#define PROVIDER_OVERLAP_MAX_MS (INT64_C(30) * 24 * 3600 * 1000)

/* "openai", "azure_openai", "anthropic", "openai_compatible". */
const char *provider_name(enum provider provider);
bool provider_from(struct str name, enum provider *ret) MUST_USE;

/* A secret that was checked; what the rows say of it. */
struct provider_secret_new {
        struct str secret;
        struct str fingerprint;
        bool valid; /* the provider has accepted it; otherwise nobody could be asked */
};

struct provider_key_new {
        struct str id, workspace, name, base_url, created_by;
        enum provider provider;
        struct provider_secret_new secret;
};

/* ALREADY_EXISTS when another key of the workspace that stands has the name. */
bool provider_key_create(struct tx *tx, const struct provider_key_new *key, int64_t now_ms,
                         struct err *err) MUST_USE;
/* NOT_FOUND also for a key of another workspace. */
bool provider_key_find(struct tx *tx, struct str workspace, struct str id,
                       struct sql_provider_key_get_row *ret, struct err *err) MUST_USE;
/*
 * Takes over with a new secret; the older ones retire after the overlap. CONFLICT
 * when the key was revoked or rotated since `seen` was read.
 */
bool provider_key_rotate(struct tx *tx, const struct sql_provider_key_get_row *seen,
                         const struct provider_secret_new *secret, int64_t overlap_ms, int64_t now_ms,
                         struct err *err) MUST_USE;
/* Effective with the commit. CONFLICT when it was revoked before. */
bool provider_key_revoke(struct tx *tx, struct str id, int64_t now_ms, struct err *err) MUST_USE;

/* What a caller of a provider needs, in its zeroing arena. */
struct provider_key_used {
        struct str id, base_url;
        int64_t version;
        struct str secret;
        struct str previous; /* the one before, while its overlap lasts; else {NULL, 0} */
        bool worth_noting;   /* the last use on record is over a minute old: provider_key_note_use */
};

/*
 * The workspace's key for a provider, the newest that stands in this cell's
 * region. NOT_FOUND when there is none.
 */
bool provider_key_use(struct tx *tx, struct arena *secrets, struct str workspace, enum provider provider,
                      int64_t now_ms, struct provider_key_used *ret, struct err *err) MUST_USE;
/* Erases all secrets of the cell that have retired. *ret_next_ms: when the next will; INT64_MAX: none. */
bool provider_keys_erase_retired(struct tx *tx, int64_t now_ms, int64_t *ret_next_ms,
                                 struct err *err) MUST_USE;
/* Writes down that it was used, to the minute, and erases what has retired. */
bool provider_key_note_use(struct tx *tx, struct str id, int64_t now_ms, struct err *err) MUST_USE;
