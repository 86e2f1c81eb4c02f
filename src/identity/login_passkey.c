/* SPDX-License-Identifier: Apache-2.0 */
/* The log-in by a passkey alone, and the page where people add theirs. */
#include "api/api_handlers.h"
#include "api/services.h"
#include "base/clock.h"
#include "crypto/secret.h"
#include "identity/accounts_sql.h"
#include "identity/login.h"
#include "identity/own.h"

/* ---- log-in ------------------------------------------------------------------------------------------- */

FIBER_FN bool passkey_login_page(struct request *req, const struct api_passkey_login_page_in *in,
                                 struct api_text *out, struct err *err)
{
        struct login login = {.folded = STR("")};
        struct challenge challenge;
        struct page page;

        if (!login_find_tenant(req, in->tenant, &login, err) ||
            !challenge_make(req->services, req->arena, "login", login.tenant, page_browser(req), req->now_ms,
                            &challenge, err))
                return false;
        page_begin(req, TEXT_PASSKEY_TITLE, &page);
        HTML(&page, "<p>");
        page_text_with(&page, TEXT_LOGIN_AT, login.tenant_name);
        HTML(&page, "</p>\n");
        passkey_form_begin(&page,
                           &(struct passkey_form){.action = "/login/passkey",
                                                  .challenge = str_make(challenge.bytes, CHALLENGE_SIZE),
                                                  .verification = true});
        page_hidden(&page, "challenge", challenge.text);
        page_hidden(&page, "tenant", login.tenant);
        page_hidden(&page, "return_to", page_return_to(in->return_to));
        page_form_end(&page, TEXT_PASSKEY_USE);
        return page_end(&page, out, err);
}

struct attempt {
        struct login login;
        struct str browser;
        struct str challenge;
        struct passkey_answer answer;
        struct session_secret session;
};

static bool attempt_work(struct request *req, void *arg, struct err *err)
{
        struct attempt *attempt = arg;
        struct login *login = &attempt->login;
        struct account account;
        struct passkey passkey;
        struct str challenge;

        if (!challenge_use(req->services, req->tx, "login", login->tenant, attempt->browser,
                           attempt->challenge, req->now_ms, &challenge, err) ||
            !passkey_use(req->services, req->tx, STR_NULL, challenge, &attempt->answer, req->now_ms,
                         &passkey, err))
                return false;
        login->principal = passkey.principal;
        request_log_resource(req, "principal", passkey.principal);
        request_log_detail(req, "passkey", passkey.id);
        if (!account_get(req->tx, passkey.principal, &account, err) || account.disabled)
                return err_set(err, ERR_UNAUTHENTICATED,
                               "the passkey is not known here, or its answer does not hold");
        if (account.login.ptr && !login_name_prepare(req->arena, account.login, &login->folded, err))
                return false;
        return login_make_session(req, login, &attempt->session, err);
}

FIBER_FN bool passkey_login(struct request *req, const struct api_passkey_login_in *in, struct api_text *out,
                            struct err *err)
{
        /* Possession and a verified person: two factors in one (RFC 8176: "mfa"). */
        struct attempt attempt = {.login = {.folded = STR(""), .methods = "hwk mfa", .second_factor = true}};
        struct login *login = &attempt.login;
        struct throttle_try try;
        struct form form;

        if (!form_read(req, "/login/passkey", in->body, &form, err) ||
            !passkey_form_answer(req, &form, &attempt.answer, err) ||
            !login_find_tenant(req, form_get(&form, "tenant"), login, err))
                return false;
        login->return_to = page_return_to(form_get(&form, "return_to"));
        attempt.browser = page_browser(req);
        attempt.challenge = form_get(&form, "challenge");
        /* By source alone: a signature cannot be guessed, and nobody shall use up another one's tries. */
        try = login_try(req, login, STR(""));
        if (!login_take_try(req, &try, err))
                return false;
        request_enter(req, login->tenant, login->region);
        req->log_stranger = true;
        if (!request_write(req, attempt_work, &attempt, err))
                return false;
        login_return_try(req, &try);
        return login_reply(req, login, &attempt.session, out, err);
}

/* ---- one's own passkeys
 * ------------------------------------------------------------------------------------ */

struct look {
        struct passkey *passkeys;
        size_t count;
};

static bool look_work(struct request *req, void *arg, struct err *err)
{
        struct look *look = arg;

        return own_check(req, id_str(&req->principal.id), err) &&
               passkey_read_all(req->tx, id_str(&req->principal.id), &look->passkeys, &look->count, err);
}

static void write_term(struct page *page, enum page_text name, struct str value)
{
        HTML(page, "<dt>");
        page_text(page, name);
        HTML(page, "</dt><dd>{}</dd>\n", value);
}

static void write_passkey(struct page *page, const struct passkey *passkey)
{
        char added[CLOCK_RFC3339_SIZE], used[CLOCK_RFC3339_SIZE];

        clock_format(passkey->created_ms, added);
        HTML(page, "<h2>{}</h2>\n<dl>\n<dt>", passkey->name);
        page_text(page, TEXT_PASSKEY_KEYID);
        HTML(page, "</dt><dd><code>{}</code></dd>\n", passkey->keyid);
        write_term(page, TEXT_PASSKEY_ADDED, str_from(added));
        if (passkey->has_used) {
                clock_format(passkey->used_ms, used);
                write_term(page, TEXT_PASSKEY_USED, str_from(used));
        }
        HTML(page, "</dl>\n");
        page_form_begin(page, "/account/passkeys/remove");
        page_button_with(page, TEXT_PASSKEY_REMOVE, passkey->name, "passkey", passkey->id);
        page_form_end(page, TEXT_NONE);
}

static void write_passkeys(struct page *page, const struct look *look)
{
        if (look->count == 0)
                page_paragraph(page, TEXT_PASSKEYS_NONE);
        for (size_t i = 0; i < look->count; i++)
                write_passkey(page, &look->passkeys[i]);
}

FIBER_FN bool passkeys_page(struct request *req, const struct api_passkeys_page_in *in, struct api_text *out,
                            struct err *err)
{
        struct str principal = id_str(&req->principal.id);
        struct challenge challenge;
        struct look look = {.count = 0};
        struct page page;

        (void)in;
        request_enter(req, id_str(&req->principal.tenant), req->principal.region);
        if (!request_read(req, look_work, &look, err) ||
            !challenge_make(req->services, req->arena, "register", req->tenant, principal, req->now_ms,
                            &challenge, err))
                return false;
        page_begin(req, TEXT_PASSKEYS_TITLE, &page);
        write_passkeys(&page, &look);
        HTML(&page, "<h2>");
        page_text(&page, TEXT_PASSKEY_ADD_HEADING);
        HTML(&page, "</h2>\n");
        passkey_form_begin(&page,
                           &(struct passkey_form){.action = "/account/passkeys",
                                                  .challenge = str_make(challenge.bytes, CHALLENGE_SIZE),
                                                  .keys = look.passkeys,
                                                  .key_count = look.count,
                                                  .user_handle = principal,
                                                  .user_name = req->principal.name});
        page_hidden(&page, "challenge", challenge.text);
        page_field(&page, &(struct page_field){.name = "name",
                                               .label = TEXT_PASSKEY_NAME,
                                               .hint = TEXT_PASSKEY_NAME_HINT,
                                               .required = true,
                                               .max_length = 100});
        page_form_end(&page, TEXT_PASSKEY_ADD);
        page_go(&page, "/account", TEXT_ACCOUNT_BACK);
        return page_end(&page, out, err);
}

struct add {
        struct str name, challenge, attestation, client_data;
        struct session_secret session;
};

static bool add_work(struct request *req, void *arg, struct err *err)
{
        struct add *add = arg;
        struct str principal = id_str(&req->principal.id);
        struct passkey passkey;
        struct str challenge;

        if (!own_check(req, principal, err) ||
            !challenge_use(req->services, req->tx, "register", req->tenant, principal, add->challenge,
                           req->now_ms, &challenge, err) ||
            !passkey_register(req->services, req->tx, principal, add->name, challenge, add->attestation,
                              add->client_data, req->now_ms, &passkey, err))
                return false;
        request_log_detail(req, "passkey", passkey.id);
        request_log_detail(req, "keyid", passkey.keyid);
        /* Who has just made one has shown that they have it. */
        return session_second_factor(req->services, req->tx, id_str(&req->principal.session), STR("hwk"),
                                     req->now_ms, &add->session, err);
}

FIBER_FN bool passkeys_add(struct request *req, const struct api_passkeys_add_in *in, struct api_text *out,
                           struct err *err)
{
        struct add add;
        struct form form;

        request_enter(req, id_str(&req->principal.tenant), req->principal.region);
        if (!form_read(req, "/account/passkeys", in->body, &form, err) ||
            !passkey_form_part(req, &form, "attestation", WEBAUTHN_ATTESTATION_MAX, true, &add.attestation,
                               err) ||
            !passkey_form_part(req, &form, "client_data", WEBAUTHN_CLIENT_DATA_MAX, true, &add.client_data,
                               err))
                return false;
        add.challenge = form_get(&form, "challenge");
        add.name = form_get(&form, "name");
        if (add.name.len == 0 || add.name.len > 100)
                return err_set_at(err, ERR_BAD_FIELD, "name", "a passkey has a name of 1 to 100 bytes");
        if (!request_write(req, add_work, &add, err))
                return false;
        session_reply_cookie(req, &add.session);
        secret_wipe(&add.session, sizeof(add.session));
        page_redirect(req, STR("/account/passkeys"));
        out->text = STR("");
        return true;
}

static bool remove_work(struct request *req, void *arg, struct err *err)
{
        struct str principal = id_str(&req->principal.id);
        const struct str *passkey = arg;
        int64_t changes;

        if (!own_check(req, principal, err) ||
            !sql_account_passkey_delete(req->tx, principal, *passkey, &changes, err))
                return false;
        if (changes != 1)
                return err_set(err, ERR_NOT_FOUND, "there is no such passkey");
        request_log_detail(req, "passkey", *passkey);
        return true;
}

FIBER_FN bool passkeys_form_remove(struct request *req, const struct api_passkeys_form_remove_in *in,
                                   struct err *err)
{
        struct str passkey;
        struct form form;

        request_enter(req, id_str(&req->principal.tenant), req->principal.region);
        if (!own_browser(req, err) || !form_read(req, "/account/passkeys/remove", in->body, &form, err))
                return false;
        passkey = form_get(&form, "passkey");
        if (!request_write(req, remove_work, &passkey, err))
                return false;
        page_redirect(req, STR("/account/passkeys"));
        return true;
}
