/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second factor once more, for a session that is open (RFC 9470): one page, by passkey, one-time
 * password or recovery code. Whoever came through an issuer is sent there instead, to be asked again
 * (login_http.c).
 */
#include "api/api_handlers.h"
#include "crypto/secret.h"
#include "identity/login.h"
#include "identity/own.h"
#include "identity/realms_sql.h"

struct look {
        struct account account; /* principal {NULL, 0}: none */
        struct factors factors;
        struct passkey *passkeys;
        size_t passkey_count;
        struct str realm; /* the issuer's name here; {NULL, 0}: local */
};

static bool look_work(struct request *req, void *arg, struct err *err)
{
        struct str principal = id_str(&req->principal.id);
        struct look *look = arg;
        struct sql_realm_get_row realm;
        bool found;

        if (!account_get(req->tx, principal, &look->account, err)) {
                if (err->code != ERR_NOT_FOUND)
                        return false;
                look->account = (struct account){.principal = STR_NULL};
        }
        if (!factors_get(req->tx, principal, &look->factors, err) ||
            !passkey_read_all(req->tx, principal, &look->passkeys, &look->passkey_count, err) ||
            !sql_realm_get(req->tx, req->principal.realm, &realm, &found, err))
                return false;
        look->realm = found ? realm.name : STR_NULL;
        return true;
}

/* ---- the page -------------------------------------------------------------------------------------------
 */

static void ask_passkey(struct page *page, const struct look *look, const struct challenge *challenge,
                        struct str return_to)
{
        passkey_form_begin(page,
                           &(struct passkey_form){.action = STEP_UP_PATH,
                                                  .challenge = str_make(challenge->bytes, CHALLENGE_SIZE),
                                                  .keys = look->passkeys,
                                                  .key_count = look->passkey_count});
        page_hidden(page, "challenge", challenge->text);
        page_hidden(page, "return_to", return_to);
        page_form_end(page, TEXT_PASSKEY_USE);
}

static void ask_code(struct page *page, bool focus, enum page_text problem, struct str return_to)
{
        page_form_begin(page, STEP_UP_PATH);
        page_hidden(page, "return_to", return_to);
        page_field(page, &(struct page_field){.name = "code",
                                              .label = TEXT_FACTOR_CODE,
                                              .hint = TEXT_FACTOR_CODE_HINT,
                                              .error = problem,
                                              .autocomplete = "one-time-code",
                                              .required = true,
                                              .focus = focus,
                                              .max_length = 40});
        page_form_end(page, TEXT_CONTINUE);
}

static void lead_to_issuer(struct page *page, struct str realm, struct str return_to)
{
        struct str back = percent_encode(page->req->arena, return_to);

        HTML(page, "<p>");
        page_link(page, arena_printf(page->req->arena, STEP_UP_PATH "/issuer?return_to=%.*s", STR_ARG(back)),
                  TEXT_STEP_UP_THERE, realm);
        HTML(page, "</p>\n");
}

static bool write_page(struct request *req, const struct look *look, enum page_text alert,
                       enum page_text problem, struct str return_to, struct page *ret_page, struct err *err)
{
        struct challenge challenge;

        if (!challenge_make(req->services, req->arena, "step-up", req->tenant, id_str(&req->principal.id),
                            req->now_ms, &challenge, err))
                return false;
        page_begin(req, TEXT_STEP_UP_TITLE, ret_page);
        if (alert != TEXT_NONE)
                page_alert(ret_page, alert);
        page_paragraph(ret_page, TEXT_STEP_UP_WHY);
        if (look->realm.ptr)
                lead_to_issuer(ret_page, look->realm, return_to);
        if (look->passkey_count > 0)
                ask_passkey(ret_page, look, &challenge, return_to);
        /* A recovery code stands in for a factor that was lost; alone it is none. */
        if (factors_are_set(&look->factors) && (look->factors.totp || look->factors.recovery_codes > 0))
                ask_code(ret_page, look->passkey_count == 0, problem, return_to);
        if (!look->realm.ptr && !factors_are_set(&look->factors)) {
                page_paragraph(ret_page, TEXT_STEP_UP_NONE);
                page_go(ret_page, "/account/factors", TEXT_FACTORS_TITLE);
        }
        return true;
}

FIBER_FN bool step_up_page(struct request *req, const struct api_step_up_page_in *in, struct api_text *out,
                           struct err *err)
{
        struct look look = {.passkey_count = 0};
        struct page page;

        request_enter(req, id_str(&req->principal.tenant), req->principal.region);
        return own_browser(req, err) && request_read(req, look_work, &look, err) &&
               write_page(req, &look, TEXT_NONE, TEXT_NONE, page_return_to(in->return_to), &page, err) &&
               page_end(&page, out, err);
}

/* ---- the answer -----------------------------------------------------------------------------------------
 */

struct answer {
        struct look look;
        struct str code;
        struct str challenge; /* of a passkey's answer */
        bool has_passkey;
        struct passkey_answer passkey;
        struct session_secret session;
};

static bool use_passkey(struct request *req, const struct answer *answer, struct err *err)
{
        struct str principal = id_str(&req->principal.id);
        struct passkey passkey;
        struct str challenge;

        if (!challenge_use(req->services, req->tx, "step-up", req->tenant, principal, answer->challenge,
                           req->now_ms, &challenge, err) ||
            !passkey_use(req->services, req->tx, principal, challenge, &answer->passkey, req->now_ms,
                         &passkey, err))
                return false;
        request_log_detail(req, "passkey", passkey.id);
        return true;
}

static bool use_code(struct request *req, const struct answer *answer, struct err *err)
{
        struct str principal = id_str(&req->principal.id);
        struct factors factors;
        bool used = false;

        if (!factors_get(req->tx, principal, &factors, err) ||
            (factors_are_set(&factors) &&
             !recovery_use(req->services, req->tx, principal, answer->code, req->now_ms, &used, err)))
                return false;
        request_log_detail(req, "factor", used ? STR("recovery-code") : STR("one-time-password"));
        return used || totp_use(req->tx, principal, answer->code, true, req->now_ms, err);
}

static bool answer_work(struct request *req, void *arg, struct err *err)
{
        struct answer *answer = arg;

        request_log_resource(req, "session", id_str(&req->principal.session));
        if (answer->has_passkey ? !use_passkey(req, answer, err) : !use_code(req, answer, err))
                return false;
        /* More rights, so a new secret: what was planted before is worth nothing (session fixation). */
        return session_second_factor(req->services, req->tx, id_str(&req->principal.session),
                                     answer->has_passkey ? STR("hwk") : STR("otp"), req->now_ms,
                                     &answer->session, err);
}

/* Codes are guessed at as at the log-in, and counted with those. */
static FIBER_FN bool check_answer(struct request *req, struct answer *answer, struct err *err)
{
        struct login login = {.tenant = id_str(&req->principal.tenant), .folded = STR("")};
        struct throttle_try try;

        if (answer->look.account.login.ptr &&
            !login_name_prepare(req->arena, answer->look.account.login, &login.folded, err))
                return false;
        try = login_try(req, &login, id_str(&req->principal.id));
        if (!login_take_try(req, &try, err) || !request_write(req, answer_work, answer, err))
                return false;
        login_return_try(req, &try);
        return true;
}

FIBER_FN bool step_up(struct request *req, const struct api_step_up_in *in, struct err *err)
{
        struct answer answer = {.has_passkey = false};
        struct str return_to;
        struct form form;
        struct page page;
        struct err ignored;

        request_enter(req, id_str(&req->principal.tenant), req->principal.region);
        if (!own_browser(req, err) || !form_read(req, STEP_UP_PATH, in->body, &form, err))
                return false;
        return_to = page_return_to(form_get(&form, "return_to"));
        answer.code = form_get(&form, "code");
        answer.challenge = form_get(&form, "challenge");
        answer.has_passkey = form_get(&form, "credential").len > 0;
        if ((answer.has_passkey && !passkey_form_answer(req, &form, &answer.passkey, err)) ||
            !request_read(req, look_work, &answer.look, err))
                return false;
        if (!check_answer(req, &answer, err)) {
                enum page_text alert = answer.has_passkey ? TEXT_PASSKEY_REFUSED : TEXT_NONE;
                enum page_text problem = answer.has_passkey ? TEXT_NONE : TEXT_FACTOR_WRONG;

                if (err->code != ERR_UNAUTHENTICATED ||
                    !write_page(req, &answer.look, alert, problem, return_to, &page, &ignored))
                        return false;
                return page_refuse(&page, err);
        }
        session_reply_cookie(req, &answer.session);
        secret_wipe(&answer.session, sizeof(answer.session));
        page_redirect(req, return_to);
        return true;
}
