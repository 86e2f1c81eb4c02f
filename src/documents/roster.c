/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/roster.h"

#include "base/json_write.h"
#include "crypto/sha256.h"
#include "documents/fields.h"
#include "documents/roster_key.h"

#include <stdlib.h>

enum { NAME_MAX_BYTES = 400 };

/* ---- building ---------------------------------------------------------------------------------- */

static int by_principal(const void *a, const void *b)
{
        const struct roster_member *left = a;
        const struct roster_member *right = b;

        return str_compare(left->principal, right->principal);
}

/* Each object's members in RFC 8785's order. */
static void write_member(struct json_writer *w, const struct roster_member *member)
{
        json_object_begin(w);
        json_key(w, "keys");
        json_array_begin(w);
        for (unsigned i = 0; i < member->key_count; i++)
                roster_key_write(w, &member->keys[i]);
        json_array_end(w);
        json_field_str(w, "name", member->name);
        json_field_str(w, "principal", member->principal);
        json_key(w, "roles");
        json_array_begin(w);
        if (member->administrator)
                json_c(w, "administrator");
        if (member->approver)
                json_c(w, "approver");
        json_array_end(w);
        json_object_end(w);
}

bool roster_build(struct arena *arena, const struct roster *roster, struct str *ret_bytes, struct err *err)
{
        struct roster_member *members = ARENA_ARRAY(arena, struct roster_member, roster->member_count);
        struct roster again;
        struct json_writer w;
        BUF_SCOPED buf = {0};

        if (!members)
                return arena_check(arena, err);
        if (roster->member_count > 0) {
                memcpy(members, roster->members, roster->member_count * sizeof(*members));
                qsort(members, roster->member_count, sizeof(*members), by_principal);
        }
        buf_init(&buf, ROSTER_MAX_BYTES);
        json_writer_init(&w, &buf);
        json_object_begin(&w);
        json_field_int(&w, "created_ms", roster->created_ms);
        json_field_c(&w, "format", ROSTER_FORMAT);
        json_key(&w, "members");
        json_array_begin(&w);
        for (unsigned i = 0; i < roster->member_count; i++)
                write_member(&w, &members[i]);
        json_array_end(&w);
        json_field_str(&w, "previous", roster->previous);
        json_field_str(&w, "tenant", roster->tenant);
        json_field_int(&w, "threshold", roster->threshold);
        json_field_int(&w, "version", roster->version);
        json_object_end(&w);
        if (!buf_check(&buf, "the roster", err))
                return false;
        *ret_bytes = arena_str(arena, buf_str(&buf));
        if (!arena_check(arena, err))
                return false;
        if (!roster_parse(arena, *ret_bytes, &again, err)) {
                err->code = err->code == ERR_BAD_ENVELOPE ? ERR_BAD_FIELD : err->code;
                return err_prefix(err, "this roster cannot stand");
        }
        return true;
}

/* ---- parsing ----------------------------------------------------------------------------------- */

static bool parse_roles(const struct fields *fields, struct roster_member *ret, struct err *err)
{
        const struct json *roles;

        if (!fields_of_type(fields, "roles", JSON_ARRAY, &roles, err))
                return false;
        for (uint32_t i = 0; i < roles->count; i++) {
                struct str role = roles->items[i].type == JSON_STRING ? roles->items[i].string : STR("");
                bool *flag = str_is(role, "administrator") ? &ret->administrator
                             : str_is(role, "approver")    ? &ret->approver
                                                           : NULL;

                if (!flag || *flag)
                        return fields_refuse(fields, "roles", err,
                                             "roles are \"administrator\" and \"approver\", each once");
                *flag = true;
        }
        if (roles->count == 2 && !str_is(roles->items[0].string, "administrator"))
                return fields_refuse(fields, "roles", err, "roles stand in alphabetical order");
        return true;
}

static bool parse_member(struct arena *arena, const struct json *value, struct roster_member *ret,
                         struct err *err)
{
        static const char *const names[] = {"principal", "name", "roles", "keys", NULL};
        struct fields fields = {.object = value, .path = "/members"};
        const struct json *keys;

        if (value->type != JSON_OBJECT)
                return fields_refuse(&fields, "", err, "a member must be an object");
        if (!fields_exact(&fields, names, err) ||
            !fields_id(&fields, "principal", NULL, &ret->principal, err) ||
            !fields_text(&fields, "name", 1, NAME_MAX_BYTES, &ret->name, err) ||
            !parse_roles(&fields, ret, err) || !fields_of_type(&fields, "keys", JSON_ARRAY, &keys, err))
                return false;
        if (keys->count > ROSTER_KEYS_MAX)
                return fields_refuse(&fields, "keys", err, "a member has at most %d keys", ROSTER_KEYS_MAX);
        ret->keys = ARENA_ARRAY(arena, struct roster_key, keys->count);
        if (!ret->keys)
                return arena_check(arena, err);
        for (uint32_t i = 0; i < keys->count; i++)
                if (!roster_key_parse(arena, &keys->items[i], &ret->keys[i], err))
                        return false;
        ret->key_count = keys->count;
        return true;
}

static int by_keyid(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A key stands once, or one person's signature could count as two. */
static bool keys_are_unique(struct arena *arena, const struct roster *roster, struct err *err)
{
        const char **keyids;
        size_t count = 0;

        for (unsigned i = 0; i < roster->member_count; i++)
                count += roster->members[i].key_count;
        keyids = ARENA_ARRAY(arena, const char *, count);
        if (!keyids)
                return arena_check(arena, err);
        count = 0;
        for (unsigned i = 0; i < roster->member_count; i++)
                for (unsigned j = 0; j < roster->members[i].key_count; j++)
                        keyids[count++] = roster->members[i].keys[j].keyid;
        qsort(keyids, count, sizeof(*keyids), by_keyid);
        for (size_t i = 1; i < count; i++)
                if (strcmp(keyids[i - 1], keyids[i]) == 0)
                        return err_set_at(err, ERR_BAD_ENVELOPE, "/members",
                                          "the key %.16s… stands twice on the roster", keyids[i]);
        return true;
}

static bool parse_members(struct arena *arena, const struct fields *fields, struct roster *ret,
                          struct err *err)
{
        const struct json *members;
        unsigned administrators = 0;

        if (!fields_of_type(fields, "members", JSON_ARRAY, &members, err))
                return false;
        if (members->count == 0 || members->count > ROSTER_MEMBERS_MAX)
                return fields_refuse(fields, "members", err, "a roster has 1 to %d members",
                                     ROSTER_MEMBERS_MAX);
        ret->members = ARENA_ARRAY(arena, struct roster_member, members->count);
        if (!ret->members)
                return arena_check(arena, err);
        ret->member_count = members->count;
        for (uint32_t i = 0; i < members->count; i++) {
                if (!parse_member(arena, &members->items[i], &ret->members[i], err))
                        return false;
                if (i > 0 && str_compare(ret->members[i - 1].principal, ret->members[i].principal) >= 0)
                        return fields_refuse(fields, "members", err,
                                             "members stand in the order of their ids, each once");
                if (ret->members[i].administrator && ret->members[i].key_count > 0)
                        administrators++;
        }
        if (ret->threshold > administrators)
                return fields_refuse(fields, "threshold", err,
                                     "%u must sign a change, but only %u administrators have keys",
                                     ret->threshold, administrators);
        return keys_are_unique(arena, ret, err);
}

static bool parse_previous(const struct fields *fields, struct roster *ret, struct err *err)
{
        if (ret->version > 1)
                return fields_sha256(fields, "previous", &ret->previous, err);
        return fields_text(fields, "previous", 0, 0, &ret->previous, err);
}

bool roster_parse(struct arena *arena, struct str bytes, struct roster *ret, struct err *err)
{
        static const char *const names[] = {"format",    "tenant",  "version",    "previous",
                                            "threshold", "members", "created_ms", NULL};
        struct fields fields = {.path = ""};
        struct sha256 hash;
        char hex[SHA256_HEX_SIZE];
        struct json root;
        int64_t threshold;

        *ret = (struct roster){0};
        if (!fields_parse(arena, bytes, ROSTER_MAX_BYTES, "roster", &root, err))
                return false;
        fields.object = &root;
        if (!fields_exact(&fields, names, err) || !fields_format(&fields, ROSTER_FORMAT, err) ||
            !fields_id(&fields, "tenant", "ten", &ret->tenant, err) ||
            !fields_int(&fields, "version", 1, INT32_MAX, &ret->version, err) ||
            !parse_previous(&fields, ret, err) ||
            !fields_int(&fields, "threshold", 1, ROSTER_MEMBERS_MAX, &threshold, err) ||
            !fields_int(&fields, "created_ms", 0, FIELDS_INTEGER_MAX, &ret->created_ms, err))
                return false;
        ret->threshold = (unsigned)threshold;
        sha256_of(bytes, &hash);
        sha256_format(&hash, hex);
        ret->digest = arena_str(arena, str_from(hex));
        return parse_members(arena, &fields, ret, err) && arena_check(arena, err);
}

const struct roster_member *roster_find(const struct roster *roster, struct str principal)
{
        for (unsigned i = 0; i < roster->member_count; i++)
                if (str_eq(roster->members[i].principal, principal))
                        return &roster->members[i];
        return NULL;
}

const struct roster_member *roster_find_key(const struct roster *roster, struct str keyid,
                                            const struct roster_key **ret_key)
{
        for (unsigned i = 0; i < roster->member_count; i++)
                for (unsigned j = 0; j < roster->members[i].key_count; j++)
                        if (str_is(keyid, roster->members[i].keys[j].keyid)) {
                                *ret_key = &roster->members[i].keys[j];
                                return &roster->members[i];
                        }
        *ret_key = NULL;
        return NULL;
}

/* ---- the chain --------------------------------------------------------------------------------- */

static bool signers_check(struct arena *arena, const struct roster *judge,
                          const struct dsse_envelope *envelope, struct err *err)
{
        bool *signed_by = ARENA_ARRAY(arena, bool, judge->member_count);
        unsigned count = 0;

        if (!signed_by)
                return arena_check(arena, err);
        for (size_t i = 0; i < envelope->count; i++) {
                const struct roster_key *key;
                const struct roster_member *member =
                        roster_find_key(judge, envelope->signatures[i].key_id, &key);

                if (!member || !member->administrator)
                        return err_set(err, ERR_NOT_ON_ROSTER,
                                       "the roster is signed with the key %.16s…, which is not an "
                                       "administrator's of roster version %lld",
                                       envelope->signatures[i].key_id.len >= 16
                                               ? envelope->signatures[i].key_id.ptr
                                               : "?",
                                       (long long)judge->version);
                if (!roster_key_verify(key, envelope, &envelope->signatures[i], err))
                        return err_prefix(err, "roster version signed by \"%.*s\"", STR_ARG(member->name));
                if (!signed_by[member - judge->members]) {
                        signed_by[member - judge->members] = true;
                        count++;
                }
        }
        if (count < judge->threshold)
                return err_set(err, ERR_BAD_ENVELOPE,
                               "%u of %u administrators needed by roster version %lld have signed", count,
                               judge->threshold, (long long)judge->version);
        return true;
}

bool roster_accept(struct arena *arena, const struct roster *standing, struct str tenant,
                   const struct dsse_envelope *envelope, struct roster *ret, struct err *err)
{
        if (!str_is(envelope->payload_type, ROSTER_PAYLOAD_TYPE))
                return err_set(err, ERR_BAD_ENVELOPE, "the payload type is \"%.*s\", not a roster's",
                               STR_ARG(str_slice(envelope->payload_type, 0, 100)));
        /*
         * Signatures first, then the content. Version 1 names its own judges, so
         * there the bytes have to be read to know whose signatures to expect.
         */
        if (standing && !signers_check(arena, standing, envelope, err))
                return false;
        if (!roster_parse(arena, envelope->payload, ret, err))
                return false;
        if (!standing && !signers_check(arena, ret, envelope, err))
                return false;
        if (!str_eq(ret->tenant, tenant))
                return err_set_at(err, ERR_BAD_ENVELOPE, "/tenant", "the roster is another tenant's");
        if (!standing && ret->version != 1)
                return err_set_at(err, ERR_ROSTER_CONFLICT, "/version",
                                  "the first roster must have version 1, not %lld", (long long)ret->version);
        if (standing && ret->version != standing->version + 1)
                return err_set_at(err, ERR_ROSTER_CONFLICT, "/version",
                                  "version %lld stands, so the next is %lld, not %lld",
                                  (long long)standing->version, (long long)standing->version + 1,
                                  (long long)ret->version);
        if (standing && !str_eq(ret->previous, standing->digest))
                return err_set_at(err, ERR_ROSTER_CONFLICT, "/previous",
                                  "the roster does not follow the version that stands");
        return true;
}

bool roster_follow(struct arena *arena, const struct roster *standing, struct str tenant,
                   const struct dsse_envelope *envelopes, size_t count, struct roster *ret, struct err *err)
{
        struct roster current;

        if (count == 0)
                return err_set(err, ERR_BAD_ENVELOPE, "the roster's chain is empty");
        for (size_t i = 0; i < count; i++) {
                struct roster next;

                if (!roster_accept(arena, i == 0 ? standing : &current, tenant, &envelopes[i], &next, err))
                        return err_prefix(err, "roster chain, link %zu", i + 1);
                current = next;
        }
        *ret = current;
        return true;
}
