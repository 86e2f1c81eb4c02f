/* SPDX-License-Identifier: Apache-2.0 */
/* The pages of the log-in by password, and the second factor that follows it. */
#include "api/api_handlers.h"
#include "api/services.h"
#include "crypto/secret.h"
#include "base/percent.h"
#include "identity/login.h"
#include "identity/oidc.h"

#define STEP_PURPOSE "login-step"
#define STEP_MS ((int64_t)300000)

enum { SECRETS_BYTES = 16 * 1024 };

/* ---- the form ---------------------------------------------------------------------------------------- */

static void link_to_passkey(struct page *page, struct str tenant, struct str return_to)
{
        BUF_SCOPED href = {0};

        buf_init(&href, 4096);
        buf_append_c(&href, "/login/passkey?");
        form_append(&href, "tenant", tenant);
        form_append(&href, "return_to", return_to);
        page_link(page, buf_str(&href), TEXT_PASSKEY_INSTEAD, STR_NULL);
}

/* `problem` is at the password, whichever was wrong: nobody learns which names there are. */
static void write_form(struct request *req, const struct login *login, struct str typed,
                       enum page_text problem, struct page *ret_page)
{
        page_begin(req, TEXT_LOGIN_TITLE, ret_page);
        HTML(ret_page, "<p>");
        page_text_with(ret_page, TEXT_LOGIN_AT, login->tenant_name);
        HTML(ret_page, "</p>\n");
        page_form_begin(ret_page, "/login/local");
        page_hidden(ret_page, "tenant", login->tenant);
        page_hidden(ret_page, "return_to", login->return_to);
        page_field(ret_page, &(struct page_field){.name = "login",
                                                  .label = TEXT_LOCAL_NAME,
                                                  .autocomplete = "username webauthn",
                                                  .value = typed,
                                                  .required = true,
                                                  .focus = problem == TEXT_NONE,
                                                  .max_length = LOGIN_NAME_MAX_BYTES});
        page_field(ret_page, &(struct page_field){.name = "password",
                                                  .label = TEXT_LOCAL_PASSWORD,
                                                  .error = problem,
                                                  .type = "password",
                                                  .autocomplete = "current-password",
                                                  .required = true,
                                                  .focus = problem != TEXT_NONE,
                                                  .max_length = PASSWORD_MAX_BYTES});
        page_form_end(ret_page, TEXT_LOCAL_SUBMIT);
        HTML(ret_page, "<p>");
        link_to_passkey(ret_page, login->tenant, login->return_to);
        HTML(ret_page, "</p>\n");
}

FIBER_FN bool local_login_page(struct request *req, const struct api_local_login_page_in *in,
                               struct api_text *out, struct err *err)
{
        struct login login = {.folded = STR(""), .return_to = page_return_to(in->return_to)};
        struct page page;

        if (!login_find_tenant(req, in->tenant, &login, err))
                return false;
        write_form(req, &login, STR(""), TEXT_NONE, &page);
        return page_end(&page, out, err);
}

/* ---- the password ---------------------------------------------------------------------------------------
 */

struct attempt {
        struct login login;
        struct arena secrets; /* zeroing */
        struct str prepared;  /* the password as typed */
        struct str encoded;   /* as stored; empty: none */
        struct account account;
        bool found;
        struct factors factors;
        struct passkey *passkeys;
        size_t passkey_count;
        char renewed[PASSWORD_ENCODED_SIZE]; /* "": it is as it should be */
        struct session_secret session;
};

static bool look_work(struct request *req, void *arg, struct err *err)
{
        struct attempt *attempt = arg;

        if (!account_find_password(req->tx, &attempt->secrets, attempt->login.folded, &attempt->account,
                                   &attempt->encoded, &attempt->found, err))
                return false;
        return !attempt->found ||
               (factors_get(req->tx, attempt->account.principal, &attempt->factors, err) &&
                passkey_read_all(req->tx, attempt->account.principal, &attempt->passkeys,
                                 &attempt->passkey_count, err));
}

static bool finish_work(struct request *req, void *arg, struct err *err)
{
        struct attempt *attempt = arg;

        if (attempt->renewed[0] &&
            !account_renew_password(req->tx, attempt->account.principal, str_from(attempt->renewed),
                                    attempt->account.password_ms, err))
                return false;
        return login_make_session(req, &attempt->login, &attempt->session, err);
}

/* What the page of the second factor shows, at first and again. */
struct asked {
        const struct login *login;
        struct str step; /* signed: the password was right */
        struct passkey *passkeys;
        size_t passkey_count;
        enum page_text alert;   /* of a passkey; TEXT_NONE: none */
        enum page_text problem; /* at the code */
};

static bool write_factor(struct request *req, const struct asked *asked, struct page *ret_page,
                         struct err *err)
{
        const struct login *login = asked->login;
        struct challenge challenge;

        if (!challenge_make(req->services, req->arena, "factor", login->tenant, login->principal,
                            req->now_ms, &challenge, err))
                return false;
        page_begin(req, TEXT_FACTOR_TITLE, ret_page);
        if (asked->alert != TEXT_NONE)
                page_alert(ret_page, asked->alert);
        if (asked->passkey_count > 0) {
                passkey_form_begin(ret_page, &(struct passkey_form){
                                                     .action = "/login/local/factor",
                                                     .challenge = str_make(challenge.bytes, CHALLENGE_SIZE),
                                                     .keys = asked->passkeys,
                                                     .key_count = asked->passkey_count});
                page_hidden(ret_page, "challenge", challenge.text);
                page_hidden(ret_page, "step", asked->step);
                page_hidden(ret_page, "return_to", login->return_to);
                page_form_end(ret_page, TEXT_PASSKEY_USE);
        }
        page_form_begin(ret_page, "/login/local/factor");
        page_hidden(ret_page, "step", asked->step);
        page_hidden(ret_page, "return_to", login->return_to);
        page_field(ret_page, &(struct page_field){.name = "code",
                                                  .label = TEXT_FACTOR_CODE,
                                                  .hint = TEXT_FACTOR_CODE_HINT,
                                                  .error = asked->problem,
                                                  .autocomplete = "one-time-code",
                                                  .required = true,
                                                  .focus = asked->passkey_count == 0,
                                                  .max_length = 40});
        page_form_end(ret_page, TEXT_CONTINUE);
        return true;
}

/* "<tenant>|<region>|<principal>|<login name, base64url>|<expires>": the password was right. */
static bool ask_for_factor(struct request *req, struct attempt *attempt, struct api_text *out,
                           struct err *err)
{
        const struct login *login = &attempt->login;
        int64_t expires_ms = req->now_ms + STEP_MS;
        struct asked asked = {
                .login = login, .passkeys = attempt->passkeys, .passkey_count = attempt->passkey_count};
        struct str step;
        struct page page;

        step = arena_printf(req->arena, "%.*s|%.*s|%.*s|%.*s|%lld", STR_ARG(login->tenant),
                            STR_ARG(login->region), STR_ARG(login->principal), STR_ARG(login->folded),
                            (long long)expires_ms);
        if (!arena_check(req->arena, err) ||
            !signed_text_make(req->services, req->arena, STEP_PURPOSE, step, &asked.step, err))
                return false;
        request_log_resource(req, "principal", login->principal);
        request_log_detail(req, "next", STR("second-factor"));
        return write_factor(req, &asked, &page, err) && page_end(&page, out, err);
}

static bool refuse_login(struct err *err)
{
        return err_set(err, ERR_UNAUTHENTICATED, "the login name or the password is wrong");
}

/* The same way, and the same time, whether somebody has the name or not. */
static FIBER_FN bool check_password(struct request *req, struct attempt *attempt, struct err *err)
{
        struct passwords *passwords = req->services->accounts->passwords;
        struct throttle_try try = login_try(req, &attempt->login, attempt->login.folded);
        bool right, outdated;

        /* Before the tenant is entered: what is slowed down leaves nothing in its log, or guessing would
         * fill it. */
        if (!login_take_try(req, &try, err))
                return false;
        request_enter(req, attempt->login.tenant, attempt->login.region);
        req->log_stranger = true;
        if (!request_read(req, look_work, attempt, err) ||
            !passwords_verify(passwords, attempt->prepared, attempt->encoded, &right, &outdated, err)) {
                login_return_try(req, &try); /* it was not looked at */
                return false;
        }
        if (!right || !attempt->found || attempt->account.disabled)
                return refuse_login(err);
        login_return_try(req, &try);
        attempt->login.principal = attempt->account.principal;
        return !outdated || passwords_hash(passwords, attempt->prepared, attempt->renewed, err);
}

static FIBER_FN bool log_in(struct request *req, const struct form *form, struct attempt *attempt,
                            struct api_text *out, struct err *err)
{
        struct login *login = &attempt->login;

        login->return_to = page_return_to(form_get(form, "return_to"));
        login->methods = "pwd";
        if (!login_find_tenant(req, form_get(form, "tenant"), login, err))
                return false;
        /* A name that cannot be one is a name that nobody has. */
        if (!login_name_prepare(req->arena, form_get(form, "login"), &login->folded, err))
                login->folded = STR("?");
        if (!password_prepare(&attempt->secrets, form_get(form, "password"), &attempt->prepared, err) ||
            !check_password(req, attempt, err))
                return false;
        if (factors_are_set(&attempt->factors))
                return ask_for_factor(req, attempt, out, err);
        return request_write(req, finish_work, attempt, err) &&
               login_reply(req, login, &attempt->session, out, err);
}

FIBER_FN bool local_login(struct request *req, const struct api_local_login_in *in, struct api_text *out,
                          struct err *err)
{
        struct attempt *attempt = ARENA_NEW(req->arena, struct attempt);
        struct form form;
        struct page page;
        bool ok;

        if (!attempt)
                return arena_check(req->arena, err);
        arena_init_zeroing(&attempt->secrets, SECRETS_BYTES);
        ok = form_read(req, "/login/local", in->body, &form, err) && log_in(req, &form, attempt, out, err);
        arena_done(&attempt->secrets);
        secret_wipe(attempt->renewed, sizeof(attempt->renewed));
        if (!ok && err->code == ERR_UNAUTHENTICATED) {
                write_form(req, &attempt->login, form_get(&form, "login"), TEXT_LOCAL_WRONG, &page);
                return page_refuse(&page, err);
        }
        return ok;
}

/* ---- the second factor
 * -------------------------------------------------------------------------------------- */

struct step {
        struct login login;
        struct str code;
        struct str challenge; /* of a passkey's answer */
        bool has_answer;
        struct passkey_answer answer;
        struct session_secret session;
};

static bool read_step(struct request *req, const struct form *form, struct step *ret, struct err *err)
{
        struct login *login = &ret->login;
        struct str rest, expires;
        int64_t expires_ms;

        login->return_to = page_return_to(form_get(form, "return_to"));
        login->second_factor = true;
        ret->code = form_get(form, "code");
        ret->challenge = form_get(form, "challenge");
        ret->has_answer = form_get(form, "credential").len > 0;
        if (!signed_text_read(req->services, req->arena, STEP_PURPOSE, form_get(form, "step"), &rest) ||
            !str_cut(&rest, '|', &login->tenant) || !str_cut(&rest, '|', &login->region) ||
            !str_cut(&rest, '|', &login->principal))
                return err_set(err, ERR_UNAUTHENTICATED, "log in with your password first");
        /* The login name may hold anything but is followed by digits only. */
        for (size_t i = rest.len; i > 0; i--)
                if (rest.ptr[i - 1] == '|') {
                        login->folded = str_slice(rest, 0, i - 1);
                        expires = str_slice(rest, i, rest.len);
                        if (str_to_i64(expires, &expires_ms) && expires_ms > req->now_ms)
                                return !ret->has_answer || passkey_form_answer(req, form, &ret->answer, err);
                        break;
                }
        return err_set(err, ERR_UNAUTHENTICATED, "it took too long; log in with your password again");
}

static bool step_work(struct request *req, void *arg, struct err *err)
{
        struct step *step = arg;
        struct login *login = &step->login;
        struct account account;
        struct passkey passkey;
        struct str challenge;
        bool used;

        if (!account_get(req->tx, login->principal, &account, err))
                return false;
        request_log_resource(req, "principal", login->principal);
        if (account.disabled)
                return refuse_login(err);
        if (step->has_answer) {
                login->methods = "pwd hwk";
                if (!challenge_use(req->services, req->tx, "factor", login->tenant, login->principal,
                                   step->challenge, req->now_ms, &challenge, err) ||
                    !passkey_use(req->services, req->tx, login->principal, challenge, &step->answer,
                                 req->now_ms, &passkey, err))
                        return false;
                request_log_detail(req, "passkey", passkey.id);
        } else {
                login->methods = "pwd otp";
                if (!recovery_use(req->services, req->tx, login->principal, step->code, req->now_ms, &used,
                                  err))
                        return false;
                if (used)
                        request_log_detail(req, "factor", STR("recovery-code"));
                else if (!totp_use(req->tx, login->principal, step->code, true, req->now_ms, err))
                        return false;
        }
        return login_make_session(req, login, &step->session, err);
}

static bool passkeys_work(struct request *req, void *arg, struct err *err)
{
        struct asked *asked = arg;

        return passkey_read_all(req->tx, asked->login->principal, &asked->passkeys, &asked->passkey_count,
                                err);
}

/* The same page again; the password holds no longer than it did. */
static FIBER_FN bool ask_again(struct request *req, const struct step *step, struct str signed_step,
                               const struct err *why)
{
        struct asked asked = {.login = &step->login,
                              .step = signed_step,
                              .alert = step->has_answer ? TEXT_PASSKEY_REFUSED : TEXT_NONE,
                              .problem = step->has_answer ? TEXT_NONE : TEXT_FACTOR_WRONG};
        struct page page;
        struct err err;

        if (!request_read(req, passkeys_work, &asked, &err) || !write_factor(req, &asked, &page, &err))
                return false;
        return page_refuse(&page, why);
}

FIBER_FN bool local_factor(struct request *req, const struct api_local_factor_in *in, struct api_text *out,
                           struct err *err)
{
        struct step step = {.has_answer = false};
        struct throttle_try try;
        struct form form;

        if (!form_read(req, "/login/local/factor", in->body, &form, err) ||
            !read_step(req, &form, &step, err))
                return false;
        try = login_try(req, &step.login, step.login.principal);
        if (!login_take_try(req, &try, err))
                return false;
        request_enter(req, step.login.tenant, step.login.region);
        req->log_stranger = true;
        if (!request_write(req, step_work, &step, err))
                return err->code == ERR_UNAUTHENTICATED ? ask_again(req, &step, form_get(&form, "step"), err)
                                                        : false;
        login_return_try(req, &try);
        return login_reply(req, &step.login, &step.session, out, err);
}
