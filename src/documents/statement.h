/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statement: the exact bytes that say what shall be done, and that
 * approvers sign (docs/protocol.md, "Statement"). Built once by the server when
 * an action is submitted; everybody else verifies the bytes first and parses
 * them afterwards.
 *
 * All strings are views; those of a parsed statement point into the arena.
 */
#pragma once

#include "catalogue/catalogue.h"

#define STATEMENT_FORMAT "countersign/statement/v1"
/* DSSE payload types. A no is another type over the same bytes, so that it can never pass as a yes. */
#define STATEMENT_PAYLOAD_TYPE "application/vnd.countersign.statement.v1+json"
#define REJECTION_PAYLOAD_TYPE "application/vnd.countersign.rejection.v1+json"

enum {
        STATEMENT_MAX_BYTES = 96 * 1024,
        STATEMENT_FACTS_MAX = 8,
        STATEMENT_ROLES_MAX = 8,
        STATEMENT_DECISIONS_MAX = 16,
        STATEMENT_NONCE_BYTES = 16,
};

struct statement_fact {
        struct str name;
        struct str value;
};

struct statement {
        struct str action, tenant, workspace;
        struct str environment;
        struct str connector, operation;
        enum effect effect;

        bool has_target;
        struct str target_name; /* as it was asked for */
        unsigned fact_count;    /* what it was resolved to; in the order of the bytes */
        struct statement_fact facts[STATEMENT_FACTS_MAX];

        struct json parameters; /* an object */

        struct str requester_id, requester_kind, requester_name;

        struct str rule;    /* "three-agree (tenant house@1.0.0)" */
        unsigned decisions; /* 0: the member `requirement` is absent; else 1 to 16 */
        unsigned role_count;
        struct str roles[STATEMENT_ROLES_MAX];

        struct str policy; /* 64 hex digits */
        struct str nonce;  /* base64url of 16 bytes */
        int64_t created_ms, expires_ms;
};

/* The bytes, in RFC 8785 form. Everything that statement_parse would refuse is refused here (INTERNAL). */
bool statement_build(struct arena *arena, const struct statement *statement, struct str *ret_bytes,
                     struct err *err) MUST_USE;

/*
 * BAD_ENVELOPE, with the place, for anything but the canonical form of a
 * document with exactly these members, each of its type and in its range.
 * Whether the operation and its parameters make sense is statement_check's.
 */
bool statement_parse(struct arena *arena, struct str bytes, struct statement *ret, struct err *err) MUST_USE;

/*
 * Against this program's own catalogue: the operation is known, has this
 * effect, this kind of target with its facts, these parameters; and an absent
 * requirement goes with `reads` only.
 */
bool statement_check(const struct statement *statement, const struct catalogue_operation **ret_operation,
                     struct err *err) MUST_USE;

/* {NULL, 0} when there is no such fact. */
struct str statement_fact(const struct statement *statement, const char *name);
bool statement_has_role(const struct statement *statement, struct str role);

/* SHA-256 of the bytes in lower-case hexadecimal: the action's digest. */
struct str statement_digest(struct arena *arena, struct str bytes);
