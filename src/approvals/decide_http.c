/* SPDX-License-Identifier: Apache-2.0 */
/* A signed yes or no. The signature is checked on the fiber, what it counts for inside the transaction. */
#include "api/api_handlers.h"
#include "approvals/actions_api.h"
#include "approvals/decide_api.h"
#include "approvals/control.h"
#include "base/clock.h"
#include "identity/factors.h"

/* A roster that changes again and again while somebody decides is not worth more tries. */
enum { TRIES = 3 };

struct decide {
        struct action_decide decide;
        struct action action; /* as it was when the signature was checked */
        struct action decided;
        struct roster roster;
        bool has_roster;
        struct api_action *out;
};

static bool load_work(struct request *req, void *arg, struct err *err)
{
        struct decide *decide = arg;

        return action_find(req, decide->decide.action, &decide->action, err) &&
               approvals_roster(req->tx, &decide->roster, &decide->has_roster, err);
}

static const char *event_name(const struct action *action)
{
        switch (action->state) {
        case ACTION_APPROVED:
                return "action.approved";
        case ACTION_REJECTED:
                return "action.rejected";
        default:
                return "action.decided";
        }
}

/*
 * The sign counter of a passkey that was registered here (WebAuthn section 7.2,
 * step 21). Registered passkeys are kept in the tenant's home cell: from a
 * workspace of another region the counter is left as it is.
 */
static bool note_passkey(struct request *req, const struct action_decide *decide, struct err *err)
{
        struct webauthn_authenticator_data data;

        if (!dsse_is_assertion(&decide->signature) || !str_eq(req->region, req->principal.region))
                return true;
        return webauthn_authenticator_data_parse(decide->signature.authenticator_data, &data, err) &&
               passkey_note_use(req->tx, decide->principal, decide->signature.key_id, data.sign_count,
                                req->now_ms, err);
}

static bool count_work(struct request *req, void *arg, struct err *err)
{
        struct decide *decide = arg;

        if (!approvals_decide(req->tx, &decide->decide, clock_now_ms(), &decide->decided, err) ||
            !note_passkey(req, &decide->decide, err))
                return false;
        request_log_detail(req, "verdict", str_from(verdict_name(decide->decide.verdict)));
        request_log_detail(req, "keyid", decide->decide.signature.key_id);
        action_changed(req, &decide->decided, event_name(&decide->decided));
        return action_to_api(req, &decide->decided, decide->out, err);
}

static FIBER_FN bool decide_once(struct request *req, struct decide *decide, struct err *err)
{
        bool due;

        if (!request_read(req, load_work, decide, err) ||
            !action_close_if_due(req, decide->decide.action, &decide->action, &due, err))
                return false;
        if (due)
                return err_set(err, ERR_ACTION_EXPIRED, "the action %.*s has expired",
                               STR_ARG(decide->decide.action));
        if (decide->action.state != ACTION_PENDING)
                return err_set(err, ERR_ACTION_NOT_PENDING, "the action %.*s is %s",
                               STR_ARG(decide->decide.action), action_state_name(decide->action.state));
        if (!decide->has_roster)
                return err_set(err, ERR_NOT_ON_ROSTER,
                               "the tenant has no roster yet, so that nobody's signature counts");
        decide->decide.roster = &decide->roster;
        decide->decide.seen = &decide->action;
        return approvals_check_decision(req->arena, &decide->action, &decide->decide, err) &&
               request_write(req, count_work, decide, err);
}

FIBER_FN bool decide_run(struct request *req, struct str action, enum verdict verdict,
                         const struct dsse_signature *signature, struct api_action *out, struct err *err)
{
        struct decide decide = {.decide = {.workspace = req->workspace,
                                           .action = action,
                                           .principal = id_str(&req->principal.id),
                                           .verdict = verdict,
                                           .signature = *signature},
                                .out = out};
        bool ok = false;

        if (!signature_check(signature, err))
                return false;
        for (int i = 0; i < TRIES && !ok; i++) {
                ok = decide_once(req, &decide, err);
                if (!ok && err->code != ERR_ROSTER_CONFLICT)
                        break;
        }
        if (ok)
                control_after_decision(req, &decide.decided);
        return ok;
}

FIBER_FN bool action_decide(struct request *req, const struct api_action_decide_in *in,
                            struct api_action *out, struct err *err)
{
        struct dsse_signature signature = signature_from_api(&in->body.signature);

        return decide_run(req, in->action,
                          in->body.verdict == API_VERDICT_APPROVE ? VERDICT_APPROVE : VERDICT_REJECT,
                          &signature, out, err);
}
