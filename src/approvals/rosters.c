/* SPDX-License-Identifier: Apache-2.0 */
/* The roster as the tenant's cell keeps it. */
#include "approvals/approvals.h"
#include "approvals/rosters_known.h"

#include "identity/identity.h"

bool approvals_roster(struct tx *tx, struct roster *ret, bool *ret_found, struct err *err)
{
        struct sql_roster_version_last_row row;
        struct dsse_envelope envelope;

        if (!sql_roster_version_last(tx, &row, ret_found, err))
                return false;
        if (!*ret_found || rosters_recall(tx_arena(tx), row.envelope, ret))
                return true;
        /* It was verified when it was put; every executor verifies it again. */
        if (!dsse_parse(tx_arena(tx), row.envelope, &envelope, err) ||
            !roster_parse(tx_arena(tx), envelope.payload, ret, err)) {
                err->code = ERR_INTERNAL;
                return err_prefix(err, "the stored roster, version %lld", (long long)row.version);
        }
        rosters_keep(row.envelope, ret);
        return true;
}

/* A key on the roster is a person's of this tenant, or nobody would know whose decision it was. */
static bool members_check(struct tx *tx, const struct roster *roster, struct err *err)
{
        for (unsigned i = 0; i < roster->member_count; i++) {
                const struct roster_member *member = &roster->members[i];
                struct identity_principal principal;

                if (!identity_principal_get(tx, member->principal, &principal, err)) {
                        if (err->code != ERR_NOT_FOUND)
                                return false;
                        return err_set_at(err, ERR_BAD_FIELD, "/members",
                                          "\"%.*s\" is no principal of this tenant",
                                          STR_ARG(member->principal));
                }
                if (principal.kind != PRINCIPAL_USER)
                        return err_set_at(err, ERR_BAD_FIELD, "/members",
                                          "\"%.*s\" is no person; only people sign",
                                          STR_ARG(member->principal));
        }
        return true;
}

bool approvals_roster_put(struct tx *tx, const struct dsse_envelope *envelope, int64_t now_ms,
                          struct roster *ret, struct err *err)
{
        struct roster standing;
        BUF_SCOPED text = {0};
        int64_t changes;
        bool found;

        if (!approvals_roster(tx, &standing, &found, err) ||
            !roster_accept(tx_arena(tx), found ? &standing : NULL, tx_tenant(tx), envelope, ret, err) ||
            !members_check(tx, ret, err))
                return false;
        buf_init(&text, 2 * ROSTER_MAX_BYTES);
        dsse_append(&text, envelope);
        if (!buf_check(&text, "the roster", err) ||
            !sql_roster_version_insert(tx, ret->version, ret->digest, buf_str(&text), now_ms, &changes, err))
                return false;
        return changes == 1 ||
               err_set(err, ERR_ROSTER_CONFLICT, "another version %lld came first", (long long)ret->version);
}
