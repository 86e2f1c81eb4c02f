/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state folder of one executor, mode 0700:
 *
 *   lock             held while a process uses the folder
 *   executor.key     the Ed25519 seed, base64, 0600
 *   journal          journal.h
 *   roster/N.json    the roster's versions that were accepted, as DSSE envelopes
 *   credential.json  who it is and its API key, 0600; written last: with it the
 *                    executor is enrolled
 *
 * Files are replaced whole: written beside, made durable, renamed.
 */
#pragma once

#include "base/arena.h"
#include "crypto/ed25519.h"
#include "documents/roster.h"

struct credential {
        struct str server_url;
        struct str executor, tenant, workspace, environment;
        struct str api_key;
        struct str token_sha256; /* of the token that it was enrolled with, 64 hex digits */
};

struct state {
        char dir[400];
        int lock_fd;
        struct ed25519_key *key;
        bool enrolled;
        struct credential credential; /* in the arena */
        struct arena arena;
};

/*
 * Makes the folder and the key where they are absent, takes the lock, reads the
 * credential. CONFLICT when another process holds it; CONFIG when the folder or
 * a secret in it can be read by others.
 */
bool state_open(struct state *state, const char *dir, struct err *err) MUST_USE;
void state_close(struct state *state);

/* Without the lock. */
bool state_is_enrolled(const char *dir);

/* Enrols: the journal must be there already. */
bool state_write_credential(struct state *state, const struct credential *credential,
                            struct err *err) MUST_USE;

/* Keeps a version; `envelope_json` is DSSE. */
bool state_write_roster(struct state *state, int64_t version, struct str envelope_json,
                        struct err *err) MUST_USE;
/* The last version that was kept, in the arena. */
bool state_read_roster(struct state *state, struct arena *arena, struct roster *ret,
                       struct err *err) MUST_USE;
