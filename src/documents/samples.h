/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: people with keys, and documents that stand. */
#pragma once

#include "base/id.h"
#include "crypto/dsse.h"
#include "documents/roster.h"
#include "documents/statement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define SAMPLE_TENANT "ten_01jd3q4r5s6t7v8w9x0y1z2a3b"
#define SAMPLE_NOW_MS INT64_C(1760000000000)

/* A key that follows from one number, freed by the process's end. */
static inline struct ed25519_key *sample_key(uint8_t number)
{
        uint8_t seed[ED25519_SEED_SIZE] = {number, 1};
        struct ed25519_key *key;
        struct err err;

        assert_true(ed25519_key_from_seed(seed, &key, &err));
        return key;
}

static inline struct roster_member sample_member(struct arena *arena, const char *prefix, const char *name,
                                                 bool administrator, bool approver, struct ed25519_key *key)
{
        struct id id = id_new(prefix);
        struct roster_member member = {.principal = arena_str(arena, id_str(&id)),
                                       .name = str_from(name),
                                       .administrator = administrator,
                                       .approver = approver,
                                       .key_count = key ? 1 : 0,
                                       .keys = ARENA_ARRAY(arena, struct roster_key, ROSTER_KEYS_MAX)};

        assert_non_null(member.keys);
        if (key)
                member.keys[0].public_key = *ed25519_key_public(key);
        return member;
}

static inline struct statement sample_statement(struct arena *arena)
{
        static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        struct statement statement = {
                .action = STR("act_01jd3q4r5s6t7v8w9x0y1z2a3b"),
                .tenant = STR(SAMPLE_TENANT),
                .workspace = STR("wsp_01jd3q4r5s6t7v8w9x0y1z2a3b"),
                .environment = STR("prd"),
                .connector = STR("docker"),
                .operation = STR("container.remove"),
                .effect = EFFECT_DESTROYS,
                .has_target = true,
                .target_name = STR("web"),
                .fact_count = 2,
                .facts = {{STR("id"), str_from(id)}, {STR("known_as"), STR("web")}},
                .requester_id = STR("agt_01jd3q4r5s6t7v8w9x0y1z2a3b"),
                .requester_kind = STR("agent"),
                .requester_name = STR("deploy-bot"),
                .rule = STR("destroys-elsewhere"),
                .decisions = 2,
                .role_count = 1,
                .roles = {STR("approver")},
                .policy = str_from(id),
                .nonce = STR("AAECAwQFBgcICQoLDA0ODw"),
                .created_ms = SAMPLE_NOW_MS,
                .expires_ms = SAMPLE_NOW_MS + 3600000,
        };
        struct err err;

        assert_true(
                json_parse(arena, STR("{\"force\":true,\"volumes\":false}"), &statement.parameters, &err));
        return statement;
}

static inline struct str sample_bytes(struct arena *arena, const struct statement *statement)
{
        struct err err = {0};
        struct str bytes;

        if (!statement_build(arena, statement, &bytes, &err))
                fail_msg("%s %s", err.place, err.message);
        return bytes;
}

static inline struct dsse_signature sample_sign(struct arena *arena, struct ed25519_key *key,
                                                const char *type, struct str payload)
{
        struct dsse_signature signature;
        struct err err;

        assert_true(dsse_sign(arena, key, str_from(type), payload, &signature, &err));
        return signature;
}

/* The text with the first occurrence of one piece put in another's place. */
static inline struct str sample_replace(struct arena *arena, struct str text, const char *piece,
                                        const char *by)
{
        ptrdiff_t at = str_find_str(text, str_from(piece));

        if (at < 0)
                fail_msg("\"%s\" is not in the text", piece);
        return arena_printf(arena, "%.*s%s%.*s", STR_ARG(str_slice(text, 0, (size_t)at)), by,
                            STR_ARG(str_slice(text, (size_t)at + strlen(piece), text.len)));
}
