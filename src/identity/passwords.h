/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords: Argon2id (RFC 9106) on threads of their own, and what a password
 * may be (NIST SP 800-63B section 5.1.1: at least 12 characters, no rules about
 * which; none that is in the list of breached ones).
 *
 * A stored password is a PHC string, `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. The
 * default parameters are RFC 9106's second recommended option: 64 MiB, 3
 * passes, 4 lanes, 16 bytes of salt, 32 of hash. All lanes run on one thread.
 *
 * The threads run at the lowest priority of the system and hold their memory:
 * `threads` * memory at most. Who waits in the queue holds a few hundred bytes;
 * when it is full, the answer is OVERLOADED at once.
 *
 * Before hashing, a password is brought to NFKC, as SP 800-63B asks for, so that
 * it is the same from every keyboard.
 */
#pragma once

#include "base/arena.h"
#include "io/fiber.h"

enum {
        PASSWORD_MIN_CHARACTERS = 12,
        PASSWORD_MAX_BYTES = 1024,
        PASSWORD_ENCODED_SIZE = 160, /* of a stored password, with the NUL */
        LOGIN_NAME_MAX_BYTES = 254,
};

struct password_parameters {
        uint32_t memory_kib;
        uint32_t passes;
        uint32_t lanes;
};
#define PASSWORD_PARAMETERS_DEFAULT ((struct password_parameters){65536, 3, 4})

struct passwords_config {
        struct password_parameters parameters;
        unsigned threads;
        unsigned queue;      /* how many may wait */
        struct str breached; /* file, see passwords_list.h; "" for none */
};

struct passwords;

/* Starts the threads. CONFIG for parameters that Argon2 does not take, or a list that cannot be read. */
bool passwords_start(const struct passwords_config *config, struct passwords **ret,
                     struct err *err) MUST_USE;
/* Ends them; who waits is answered first. NULL is fine. */
void passwords_stop(struct passwords *passwords);

/* NFKC in the arena. BAD_FIELD: not UTF-8, too long. */
bool password_prepare(struct arena *arena, struct str password, struct str *ret, struct err *err) MUST_USE;
/*
 * Whether a prepared password may be set: long enough, not among the breached
 * ones, not the login name. BAD_FIELD at /password with what to do instead.
 */
bool password_check(const struct passwords *passwords, struct str prepared, struct str login,
                    struct err *err) MUST_USE;
/* A login name as it is looked up: NFKC and case folding. BAD_FIELD: empty, too long, blanks, control
 * characters. */
bool login_name_prepare(struct arena *arena, struct str login, struct str *ret, struct err *err) MUST_USE;

/* The stored form of a prepared password, with a new salt. OVERLOADED. */
FIBER_FN bool passwords_hash(struct passwords *passwords, struct str prepared,
                             char ret_encoded[PASSWORD_ENCODED_SIZE], struct err *err) MUST_USE;
/*
 * Whether the password is the stored one. `encoded` empty: there is none, and
 * that takes as long as if there were. *ret_outdated: it is right, but not of
 * the configured parameters; store it anew. OVERLOADED; false for a wrong
 * password only in *ret_right.
 */
FIBER_FN bool passwords_verify(struct passwords *passwords, struct str prepared, struct str encoded,
                               bool *ret_right, bool *ret_outdated, struct err *err) MUST_USE;

/* The same on this thread, for tests and benchmarks. */
BLOCKING_FN bool password_hash_here(const struct password_parameters *parameters, struct str prepared,
                                    char ret_encoded[PASSWORD_ENCODED_SIZE], struct err *err) MUST_USE;
BLOCKING_FN bool password_verify_here(const struct password_parameters *parameters, struct str prepared,
                                      struct str encoded, bool *ret_right, bool *ret_outdated,
                                      struct err *err) MUST_USE;
