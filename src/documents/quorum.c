/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/quorum.h"

#define APPROVER STR("approver")

const char *verdict_name(enum verdict verdict)
{
        return verdict == VERDICT_APPROVE ? "approve" : "reject";
}

bool verdict_from(struct str name, enum verdict *ret)
{
        *ret = str_is(name, "approve") ? VERDICT_APPROVE : VERDICT_REJECT;
        return str_is(name, "approve") || str_is(name, "reject");
}

struct str quorum_payload_type(enum verdict verdict)
{
        return verdict == VERDICT_APPROVE ? STR(STATEMENT_PAYLOAD_TYPE) : STR(REJECTION_PAYLOAD_TYPE);
}

bool quorum_check_one(const struct roster *roster, const struct statement *statement, struct str bytes,
                      enum verdict verdict, const struct dsse_signature *signature,
                      const struct roster_member **ret_member, struct err *err)
{
        struct dsse_envelope envelope = {.payload_type = quorum_payload_type(verdict),
                                         .payload = bytes,
                                         .signatures = signature,
                                         .count = 1};
        const struct roster_key *key;
        const struct roster_member *member = roster_find_key(roster, signature->key_id, &key);

        if (!member)
                return err_set(err, ERR_NOT_ON_ROSTER, "the key %.*s… is not on roster version %lld",
                               STR_ARG(str_slice(signature->key_id, 0, 16)), (long long)roster->version);
        if (str_eq(member->principal, statement->requester_id))
                return err_set(err, ERR_SELF_APPROVAL,
                               "\"%.*s\" asked for this action, and who asks cannot decide",
                               STR_ARG(member->name));
        if (!member->approver)
                return err_set(err, ERR_FORBIDDEN,
                               "\"%.*s\" is on roster version %lld, but not as an approver",
                               STR_ARG(member->name), (long long)roster->version);
        if (!roster_key_verify(key, &envelope, signature, err))
                return err_prefix(err, "the decision by \"%.*s\"", STR_ARG(member->name));
        *ret_member = member;
        return true;
}

/* The roster knows the role `approver` alone: another one in a requirement can be met by nobody. */
static bool roles_check(const struct statement *statement, struct err *err)
{
        if (statement->decisions > 0 && !statement_has_role(statement, APPROVER))
                return err_set_at(err, ERR_BAD_ENVELOPE, "/requirement/roles",
                                  "the requirement names no role that a roster can hold");
        return true;
}

bool quorum_check(const struct roster *roster, const struct statement *statement,
                  const struct dsse_envelope *envelope, unsigned least, struct err *err)
{
        bool counted[ROSTER_MEMBERS_MAX] = {false};
        unsigned count = 0;

        if (!str_is(envelope->payload_type, STATEMENT_PAYLOAD_TYPE))
                return err_set(err, ERR_BAD_ENVELOPE, "the payload type is \"%.*s\", not a statement's",
                               STR_ARG(str_slice(envelope->payload_type, 0, 100)));
        if (!roles_check(statement, err))
                return false;
        for (size_t i = 0; i < envelope->count; i++) {
                const struct roster_member *member;

                if (!quorum_check_one(roster, statement, envelope->payload, VERDICT_APPROVE,
                                      &envelope->signatures[i], &member, err))
                        return err_prefix(err, "signature %zu of %zu", i + 1, envelope->count);
                if (!counted[member - roster->members]) {
                        counted[member - roster->members] = true;
                        count++;
                }
        }
        if (count < statement->decisions)
                return err_set(err, ERR_BAD_ENVELOPE, "%u of %u required approvals are there", count,
                               statement->decisions);
        if (count < least)
                return err_set(err, ERR_FLOOR_REFUSED,
                               "%u approvals are there, but the floor demands %u in this environment", count,
                               least);
        return true;
}
