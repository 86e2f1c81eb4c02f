/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The roster, built and signed here and never by the server: the chain is
 * fetched, verified from its first version, held against the version that the
 * profile has seen last, and only then continued.
 */
#include "documents/roster.h"

#include "base/base64.h"
#include "base/clock.h"
#include "cli/commands.h"
#include "cli/identity.h"
#include "cli/output.h"
#include "cli/profile.h"
#include "cli/signing.h"
#include "crypto/dsse.h"

#include <stdio.h>

enum { ENVELOPE_MAX_BYTES = 1024 * 1024, CHAIN_MAX = 4096 };

static bool envelope_of(struct cli *cli, const struct json *json, struct dsse_envelope *ret, struct err *err)
{
        BUF_SCOPED text;

        buf_init(&text, ENVELOPE_MAX_BYTES);
        if (json)
                json_append_canonical(&text, json);
        return buf_check(&text, "the envelope", err) &&
               dsse_parse(&cli->arena, arena_str(&cli->arena, buf_str(&text)), ret, err);
}

/* Whether the chain contains the version that this profile has verified before. */
static bool check_remembered(struct cli *cli, const struct roster *roster, struct err *err)
{
        const struct profile *profile = &cli->profile;

        if (profile->roster_version != roster->version || str_eq(profile->roster_digest, roster->digest))
                return true;
        return err_set(err, ERR_PROOF_INVALID,
                       "the server's roster version %lld is not the one that this profile has seen before; "
                       "do not trust it, and compare the digests with another administrator",
                       (long long)roster->version);
}

static bool follow(struct cli *cli, const struct json *items, struct roster *ret, struct err *err)
{
        const struct roster *standing = NULL;

        for (uint32_t i = 0; i < items->count; i++) {
                struct dsse_envelope envelope;
                struct roster *next = ARENA_NEW(&cli->arena, struct roster);

                if (!next)
                        return err_set(err, ERR_NO_MEMORY, "the roster's chain does not fit into memory");
                if (!envelope_of(cli, json_get(&items->items[i], "envelope"), &envelope, err) ||
                    !roster_accept(&cli->arena, standing, cli->profile.tenant, &envelope, next, err))
                        return err_prefix(err, "version %u of the roster", i + 1);
                if (!check_remembered(cli, next, err))
                        return false;
                standing = next;
        }
        if (!standing)
                return err_set(err, ERR_NOT_FOUND,
                               "there is no roster yet; `countersign roster init` begins it");
        if (standing->version < cli->profile.roster_version)
                return err_set(
                        err, ERR_PROOF_INVALID,
                        "the server's roster ends at version %lld, but this profile has seen version %lld",
                        (long long)standing->version, (long long)cli->profile.roster_version);
        *ret = *standing;
        return profile_save_roster(cli, standing->version, standing->digest, err);
}

static bool fetch(struct cli *cli, struct cli_reply *reply, struct roster *ret, struct err *err)
{
        const struct json *items;

        if (!profile_need_tenant(cli, err) ||
            !cli_get(cli, reply, err, "/v1/tenants/%.*s/roster", STR_ARG(cli->profile.tenant)))
                return false;
        items = json_get(&reply->json, "items");
        if (!items || items->type != JSON_ARRAY || items->count > CHAIN_MAX)
                return err_set(err, ERR_UPSTREAM_PROTOCOL, "the server's answer holds no roster chain");
        return follow(cli, items, ret, err);
}

static void print_key(struct cli *cli, const struct roster_key *key)
{
        printf("%-14s %s\n", key->type == ROSTER_KEY_WEBAUTHN ? "passkey" : "key", key->keyid);
        for (unsigned i = 0; i < key->origin_count; i++)
                out_line(cli, "  signs at", key->origins[i]);
}

static void print_roster(struct cli *cli, const struct roster *roster)
{
        printf("Roster version %lld, %u of its administrators change it\n", (long long)roster->version,
               roster->threshold);
        if (roster->digest.len > 0)
                out_line(cli, "digest", roster->digest);
        for (unsigned i = 0; i < roster->member_count; i++) {
                const struct roster_member *member = &roster->members[i];

                printf("\n");
                out_line(cli, "principal", member->principal);
                out_line(cli, "name", member->name);
                printf("%-14s %s%s%s\n", "roles", member->administrator ? "administrator" : "",
                       member->administrator && member->approver ? ", " : "",
                       member->approver ? "approver" : "");
                for (unsigned k = 0; k < member->key_count; k++)
                        print_key(cli, &member->keys[k]);
        }
}

bool roster_show_run(struct cli *cli, struct err *err)
{
        struct cli_reply reply;
        struct roster roster;

        if (!fetch(cli, &reply, &roster, err))
                return false;
        if (cli->json)
                out_json(&reply);
        else
                print_roster(cli, &roster);
        return true;
}

/* ---- signing and putting ---- */

static unsigned threshold_to_change(const struct roster *standing, const struct roster *next)
{
        return standing ? standing->threshold : next->threshold;
}

static bool put(struct cli *cli, struct str envelope, struct err *err)
{
        struct cli_reply reply;
        int64_t version = 0;

        if (!cli_post(cli, envelope, &reply, err, "/v1/tenants/%.*s/roster", STR_ARG(cli->profile.tenant)))
                return false;
        if (!json_get_int(&reply.json, "version", &version))
                return err_set(err, ERR_UPSTREAM_PROTOCOL, "the server's answer names no version");
        if (!profile_save_roster(cli, version, json_get_string(&reply.json, "digest"), err))
                return false;
        if (cli->json)
                out_json(&reply);
        else
                printf("Version %lld of the roster stands.\n", (long long)version);
        return true;
}

/* Puts the version when enough have signed; otherwise hands the file on to the next administrator. */
static bool put_or_pass_on(struct cli *cli, const struct dsse_envelope *envelope, unsigned needed,
                           struct str file, struct err *err)
{
        BUF_SCOPED text;

        buf_init(&text, ENVELOPE_MAX_BYTES);
        dsse_append(&text, envelope);
        if (!buf_check(&text, "the envelope", err))
                return false;
        if (envelope->count >= needed)
                return put(cli, arena_str(&cli->arena, buf_str(&text)), err);
        if (!file.ptr)
                return err_set(err, ERR_BAD_PARAMETER,
                               "%u administrators must sign; name a file to pass on with --out FILE",
                               needed);
        if (!file_write_private(file, buf_str(&text), false, err))
                return false;
        printf("%zu of %u signatures; pass %s on: `countersign roster sign %s` adds the next one.\n",
               envelope->count, needed, file.ptr, file.ptr);
        return true;
}

static bool sign_and_put(struct cli *cli, const struct roster *standing, struct roster *next,
                         struct err *err)
{
        _cleanup_(ed25519_key_freep) struct ed25519_key *key = NULL;
        struct dsse_envelope envelope = {.payload_type = STR(ROSTER_PAYLOAD_TYPE), .count = 1};
        struct dsse_signature signature;

        if (!roster_build(&cli->arena, next, &envelope.payload, err) || !signing_file_load(cli, &key, err))
                return false;
        if (!cli->json && !cli_flag(cli, "yes")) {
                print_roster(cli, next);
                printf("\n");
                if (!out_ask("Sign this version of the roster?"))
                        return err_set(err, ERR_CANCELLED, "nothing was signed");
        }
        if (!dsse_sign(&cli->arena, key, envelope.payload_type, envelope.payload, &signature, err))
                return false;
        envelope.signatures = &signature;
        return put_or_pass_on(cli, &envelope, threshold_to_change(standing, next), cli_value(cli, "out"),
                              err);
}

/* ---- making the next version ---- */

static bool fill_key(struct roster_key *key, struct str text, struct arena *arena, struct err *err)
{
        struct str bytes;

        if (!base64_decode(arena, text, &bytes) || !ed25519_public_from(bytes, &key->public_key))
                return err_set(err, ERR_BAD_PARAMETER, "a public key is 32 bytes in base64");
        ed25519_key_id(&key->public_key, key->keyid);
        return true;
}

/* --passkeys: those that the server says the principal has registered; --yes is no reason not to look at
 * them. */
static bool fill_passkeys(struct cli *cli, struct roster_member *member, struct err *err)
{
        struct cli_reply reply;
        const struct json *items;

        if (!cli_flag(cli, "passkeys"))
                return true;
        if (!cli_get(cli, &reply, err, "/v1/tenants/%.*s/principals/%.*s/factors",
                     STR_ARG(cli->profile.tenant), STR_ARG(member->principal)))
                return false;
        items = json_get(&reply.json, "passkeys");
        for (uint32_t i = 0; items && i < items->count && member->key_count < ROSTER_KEYS_MAX; i++) {
                struct roster_key *key = &member->keys[member->key_count++];
                const struct json *origins = json_get(&items->items[i], "origins");

                *key = (struct roster_key){.type = ROSTER_KEY_WEBAUTHN,
                                           .rp_id = json_get_string(&items->items[i], "rp_id")};
                if (!base64_decode(&cli->arena, json_get_string(&items->items[i], "public_key"),
                                   &key->cose) ||
                    !webauthn_key_check(key->cose, NULL, err))
                        return err_set(err, ERR_UPSTREAM_PROTOCOL,
                                       "the server's answer holds a key that is none");
                webauthn_key_id(key->cose, key->keyid);
                for (uint32_t j = 0; origins && j < origins->count && j < WEBAUTHN_ORIGINS_MAX; j++)
                        key->origins[key->origin_count++] = origins->items[j].string;
        }
        return true;
}

/* The keys named with --key, or else all that the principal has offered. */
static bool fill_keys(struct cli *cli, struct roster_member *member, struct err *err)
{
        struct cli_reply list;
        const struct json *items;

        member->keys = ARENA_ARRAY(&cli->arena, struct roster_key, ROSTER_KEYS_MAX);
        if (!member->keys)
                return err_set(err, ERR_NO_MEMORY, "no memory for keys");
        for (unsigned n = 0; cli_value_at(cli, "key", n).ptr && n < ROSTER_KEYS_MAX; n++)
                if (!fill_key(&member->keys[member->key_count++], cli_value_at(cli, "key", n), &cli->arena,
                              err))
                        return false;
        if (member->key_count > 0)
                return fill_passkeys(cli, member, err);
        if (!cli_get(cli, &list, err, "/v1/tenants/%.*s/principals/%.*s/signing-keys",
                     STR_ARG(cli->profile.tenant), STR_ARG(member->principal)))
                return false;
        items = json_get(&list.json, "items");
        for (uint32_t i = 0; items && i < items->count && i < ROSTER_KEYS_MAX; i++)
                if (!fill_key(&member->keys[member->key_count++],
                              json_get_string(&items->items[i], "public_key"), &cli->arena, err))
                        return false;
        if (!fill_passkeys(cli, member, err))
                return false;
        if (member->key_count == 0)
                return err_set(err, ERR_NOT_FOUND,
                               "%.*s has offered no signing key; `countersign signing-key create` does that",
                               STR_ARG(member->name));
        return true;
}

static bool fill_roles(struct cli *cli, struct roster_member *member, struct err *err)
{
        for (unsigned n = 0; cli_value_at(cli, "role", n).ptr; n++) {
                struct str role = cli_value_at(cli, "role", n);

                if (str_is(role, "administrator"))
                        member->administrator = true;
                else if (str_is(role, "approver"))
                        member->approver = true;
                else
                        return err_set(err, ERR_BAD_PARAMETER,
                                       "the roster knows the roles administrator and approver");
        }
        if (!member->administrator && !member->approver)
                member->approver = true;
        return true;
}

static bool fill_member(struct cli *cli, struct str who, struct roster_member *ret, struct err *err)
{
        struct json principal;

        *ret = (struct roster_member){0};
        if (!principal_find(cli, who, &principal, err))
                return false;
        ret->principal = json_get_string(&principal, "id");
        ret->name = json_get_string(&principal, "name");
        return fill_roles(cli, ret, err) && fill_keys(cli, ret, err);
}

static bool fill_threshold(struct cli *cli, struct roster *next, struct err *err)
{
        struct str text = cli_value(cli, "threshold");
        int64_t threshold;

        if (!text.ptr)
                return true;
        if (!str_to_i64(text, &threshold) || threshold < 1 || threshold > ROSTER_MEMBERS_MAX)
                return err_set(err, ERR_BAD_PARAMETER, "--threshold takes a number from 1 on");
        next->threshold = (unsigned)threshold;
        return true;
}

bool roster_init_run(struct cli *cli, struct err *err)
{
        _cleanup_(ed25519_key_freep) struct ed25519_key *key = NULL;
        struct roster_member member;
        struct roster next = {.version = 1, .previous = STR(""), .threshold = 1, .member_count = 1};
        struct roster_key *own = ARENA_NEW(&cli->arena, struct roster_key);
        struct json principal;

        if (!own)
                return err_set(err, ERR_NO_MEMORY, "no memory for a key");
        if (!profile_need_tenant(cli, err) || !signing_file_load(cli, &key, err) ||
            !principal_find(cli, cli->profile.principal, &principal, err))
                return false;
        own->public_key = *ed25519_key_public(key);
        ed25519_key_id(&own->public_key, own->keyid);
        member = (struct roster_member){
                .principal = json_get_string(&principal, "id"),
                .name = json_get_string(&principal, "name"),
                .administrator = true,
                .approver = cli_flag(cli, "approver"),
                .key_count = 1,
                .keys = own,
        };
        next.tenant = cli->profile.tenant;
        next.members = &member;
        next.created_ms = clock_now_ms();
        return sign_and_put(cli, NULL, &next, err);
}

/* Version n+1 as a copy of n with room for one member more. */
static bool begin_next(struct cli *cli, const struct roster *standing, struct roster *ret, struct err *err)
{
        *ret = *standing;
        ret->version = standing->version + 1;
        ret->previous = standing->digest;
        ret->digest = STR("");
        ret->created_ms = clock_now_ms();
        ret->members = ARENA_ARRAY(&cli->arena, struct roster_member, (size_t)standing->member_count + 1);
        if (!ret->members)
                return err_set(err, ERR_NO_MEMORY, "no memory for the roster");
        memcpy(ret->members, standing->members, standing->member_count * sizeof(*ret->members));
        return fill_threshold(cli, ret, err);
}

bool roster_add_run(struct cli *cli, struct err *err)
{
        struct roster_member member;
        struct cli_reply reply;
        struct roster standing;
        struct roster next;
        unsigned at = 0;

        if (!fetch(cli, &reply, &standing, err) || !fill_member(cli, cli_argument(cli, 0), &member, err) ||
            !begin_next(cli, &standing, &next, err))
                return false;
        /* Somebody who is there already is replaced: other roles, other keys. */
        while (at < next.member_count && !str_eq(next.members[at].principal, member.principal))
                at++;
        next.members[at] = member;
        if (at == next.member_count)
                next.member_count++;
        return sign_and_put(cli, &standing, &next, err);
}

bool roster_remove_run(struct cli *cli, struct err *err)
{
        struct str who = cli_argument(cli, 0);
        struct cli_reply reply;
        struct roster standing;
        struct roster next;
        unsigned kept = 0;

        if (!fetch(cli, &reply, &standing, err) || !begin_next(cli, &standing, &next, err))
                return false;
        for (unsigned i = 0; i < standing.member_count; i++)
                if (!str_eq(standing.members[i].principal, who) && !str_eq(standing.members[i].name, who))
                        next.members[kept++] = standing.members[i];
        if (kept + 1 != standing.member_count)
                return err_set(err, ERR_NOT_FOUND, "%s on the roster is \"%.*s\"; give the principal's id",
                               kept == standing.member_count ? "nobody" : "more than one member",
                               STR_ARG(who));
        next.member_count = kept;
        return sign_and_put(cli, &standing, &next, err);
}

bool roster_sign_run(struct cli *cli, struct err *err)
{
        _cleanup_(ed25519_key_freep) struct ed25519_key *key = NULL;
        struct str file = cli_argument(cli, 0);
        struct dsse_signature signatures[DSSE_SIGNATURES_MAX];
        struct dsse_envelope envelope;
        struct cli_reply reply;
        struct roster standing;
        struct roster next;
        struct str text;

        if (!file_read(&cli->arena, file, false, ENVELOPE_MAX_BYTES, &text, err) ||
            !dsse_parse(&cli->arena, text, &envelope, err) ||
            !roster_parse(&cli->arena, envelope.payload, &next, err))
                return err_prefix(err, "%s", file.ptr);
        if (!fetch(cli, &reply, &standing, err) || !signing_file_load(cli, &key, err))
                return false;
        if (next.version != standing.version + 1 || !str_eq(next.previous, standing.digest))
                return err_set(err, ERR_ROSTER_CONFLICT,
                               "%s is not the successor of version %lld, which stands", file.ptr,
                               (long long)standing.version);
        if (envelope.count == DSSE_SIGNATURES_MAX)
                return err_set(err, ERR_LIMIT_REACHED, "%s holds as many signatures as it can", file.ptr);
        print_roster(cli, &next);
        printf("\n");
        if (!cli_flag(cli, "yes") && !out_ask("Sign this version of the roster?"))
                return err_set(err, ERR_CANCELLED, "nothing was signed");
        memcpy(signatures, envelope.signatures, envelope.count * sizeof(*signatures));
        if (!dsse_sign(&cli->arena, key, envelope.payload_type, envelope.payload,
                       &signatures[envelope.count], err))
                return false;
        envelope.signatures = signatures;
        envelope.count++;
        return put_or_pass_on(cli, &envelope, standing.threshold, file, err);
}
