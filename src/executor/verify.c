/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/verify.h"

#include "base/clock.h"
#include "documents/quorum.h"

bool verify_bytes(const struct roster *roster, const struct dsse_envelope *envelope, struct err *err)
{
        if (!str_is(envelope->payload_type, STATEMENT_PAYLOAD_TYPE))
                return err_set(err, ERR_BAD_ENVELOPE, "the payload type is \"%.*s\", not a statement's",
                               STR_ARG(str_slice(envelope->payload_type, 0, 100)));
        for (size_t i = 0; i < envelope->count; i++) {
                const struct dsse_signature *signature = &envelope->signatures[i];
                const struct roster_key *key;

                if (!roster_find_key(roster, signature->key_id, &key))
                        return err_set(err, ERR_NOT_ON_ROSTER,
                                       "signature %zu of %zu is by the key %.*s…, which is not on roster "
                                       "version %lld",
                                       i + 1, envelope->count, STR_ARG(str_slice(signature->key_id, 0, 16)),
                                       (long long)roster->version);
                if (!roster_key_verify(key, envelope, signature, err))
                        return err_prefix(err, "signature %zu of %zu", i + 1, envelope->count);
        }
        return true;
}

static bool same(const char *what, struct str theirs, struct str ours, struct err *err)
{
        if (str_eq(theirs, ours))
                return true;
        return err_set(err, ERR_BAD_ENVELOPE, "the statement is for %s \"%.*s\", not for \"%.*s\"", what,
                       STR_ARG(str_slice(theirs, 0, 64)), STR_ARG(ours));
}

bool verify_form(const struct verify_place *place, struct str action, const struct statement *statement,
                 const struct catalogue_operation **ret_operation, struct err *err)
{
        return same("tenant", statement->tenant, place->tenant, err) &&
               same("workspace", statement->workspace, place->workspace, err) &&
               same("environment", statement->environment, place->environment, err) &&
               same("action", statement->action, action, err) &&
               statement_check(statement, ret_operation, err);
}

bool verify_time(const struct statement *statement, int64_t now_ms, struct err *err)
{
        char theirs[CLOCK_RFC3339_SIZE], ours[CLOCK_RFC3339_SIZE];

        clock_format(now_ms, ours);
        if (statement->expires_ms <= now_ms) {
                clock_format(statement->expires_ms, theirs);
                return err_set(err, ERR_ACTION_EXPIRED, "the action expired at %s, and here it is %s",
                               theirs, ours);
        }
        if (statement->created_ms - VERIFY_FUTURE_MAX_MS > now_ms) {
                clock_format(statement->created_ms, theirs);
                return err_set(
                        err, ERR_BAD_ENVELOPE,
                        "the action was created at %s, and here it is only %s; one of the clocks is wrong",
                        theirs, ours);
        }
        return true;
}

bool verify_approvals(const struct roster *roster, const struct floor *floor,
                      const struct statement *statement, const struct dsse_envelope *envelope,
                      struct err *err)
{
        unsigned least;

        return floor_check(floor, statement->connector, statement->operation, statement->effect, &least,
                           err) &&
               quorum_check(roster, statement, envelope, least, err);
}

bool verify_journal(struct journal *journal, const struct statement *statement, struct str digest,
                    struct err *err)
{
        if (!journal_has_seen(journal, statement->action, digest))
                return true;
        return err_set(err, ERR_JOURNAL_REFUSED,
                       "this executor's journal has the action already; nothing runs twice");
}

bool verify_claim(struct arena *arena, const struct verify_with *with, struct str action,
                  const struct dsse_envelope *envelope, struct verified *ret, struct str *ret_digest,
                  struct err *err)
{
        *ret = (struct verified){.bytes = envelope->payload};
        *ret_digest = ret->digest = statement_digest(arena, envelope->payload);
        if (!arena_check(arena, err))
                return false;
        if (!verify_bytes(with->roster, envelope, err))
                return err_prefix(err, "check 3, signatures");
        if (!statement_parse(arena, envelope->payload, &ret->statement, err) ||
            !verify_form(&with->place, action, &ret->statement, &ret->operation, err))
                return err_prefix(err, "check 1, form and place");
        if (!verify_time(&ret->statement, with->now_ms, err))
                return err_prefix(err, "check 2, time");
        if (!verify_approvals(with->roster, with->floor, &ret->statement, envelope, err))
                return err_prefix(err, "%s",
                                  err->code == ERR_FLOOR_REFUSED ? "check 4, floor" : "check 3, signatures");
        if (!verify_journal(with->journal, &ret->statement, ret->digest, err))
                return err_prefix(err, "check 5, journal");
        return true;
}
