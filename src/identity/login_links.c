/* SPDX-License-Identifier: Apache-2.0 */
/* The page behind a one-time link, where a person sets a password. */
#include "api/api_handlers.h"
#include "api/services.h"
#include "crypto/secret.h"
#include "identity/login.h"

/* Looking at the page uses nothing up: mail programs look at links too. */
struct link {
        struct login login;
        struct str text;
        struct str chosen; /* login name */
        char encoded[PASSWORD_ENCODED_SIZE];
        struct account account;
};

static bool look_work(struct request *req, void *arg, struct err *err)
{
        struct link *link = arg;

        return account_link_find(req->services, req->tx, link->text, req->now_ms, &link->account, err);
}

/*
 * A link that is guessed at is 256 bits; the throttle is for the reads that guessing would cost. By source
 * alone: nobody shall keep others from theirs.
 */
static FIBER_FN bool look(struct request *req, struct link *link, struct str tenant, struct err *err)
{
        struct throttle_try try;

        if (!login_find_tenant(req, tenant, &link->login, err))
                return false;
        try = login_try(req, &link->login, STR(""));
        if (!login_take_try(req, &try, err))
                return false;
        request_enter(req, link->login.tenant, link->login.region);
        req->log_stranger = true;
        if (!request_read(req, look_work, link, err))
                return false;
        login_return_try(req, &try);
        return true;
}

/* Errors TEXT_NONE: none at that field. */
static void write_page(struct request *req, const struct link *link, enum page_text at_login,
                       enum page_text at_password, struct page *ret_page)
{
        page_begin(req, TEXT_LINK_TITLE, ret_page);
        HTML(ret_page, "<p>");
        page_text_with(ret_page, TEXT_LINK_WHO, link->account.name);
        HTML(ret_page, "</p>\n");
        page_form_begin(ret_page, "/login/link");
        page_hidden(ret_page, "tenant", link->login.tenant);
        page_hidden(ret_page, "link", link->text);
        page_field(ret_page, &(struct page_field){
                                     .name = "login",
                                     .label = TEXT_LOCAL_NAME,
                                     .hint = link->account.login.ptr ? TEXT_NONE : TEXT_LINK_LOGIN_HINT,
                                     .error = at_login,
                                     .autocomplete = "username",
                                     .value = link->account.login.ptr ? link->account.login : link->chosen,
                                     .required = true,
                                     .focus = at_login != TEXT_NONE,
                                     .max_length = LOGIN_NAME_MAX_BYTES});
        page_field(ret_page, &(struct page_field){.name = "password",
                                                  .label = TEXT_LOCAL_PASSWORD,
                                                  .hint = TEXT_LINK_PASSWORD_HINT,
                                                  .error = at_password,
                                                  .type = "password",
                                                  .autocomplete = "new-password",
                                                  .required = true,
                                                  .focus = at_login == TEXT_NONE,
                                                  .max_length = PASSWORD_MAX_BYTES});
        page_form_end(ret_page, TEXT_LINK_SUBMIT);
}

FIBER_FN bool link_page(struct request *req, const struct api_link_page_in *in, struct api_text *out,
                        struct err *err)
{
        struct link link = {.text = in->link};
        struct page page;

        if (!look(req, &link, in->tenant, err))
                return false;
        write_page(req, &link, TEXT_NONE, TEXT_NONE, &page);
        return page_end(&page, out, err);
}

static bool use_work(struct request *req, void *arg, struct err *err)
{
        struct link *link = arg;

        if (!account_link_use(req->services, req->tx, link->text, link->chosen, str_from(link->encoded),
                              req->now_ms, &link->account, err))
                return false;
        request_log_resource(req, "principal", link->account.principal);
        return true;
}

static FIBER_FN bool set_password(struct request *req, struct link *link, struct str password,
                                  struct arena *secrets, struct err *err)
{
        struct passwords *passwords = req->services->accounts->passwords;
        struct str prepared;

        return password_prepare(secrets, password, &prepared, err) &&
               password_check(passwords, prepared,
                              link->account.login.ptr ? link->account.login : link->chosen, err) &&
               passwords_hash(passwords, prepared, link->encoded, err) &&
               request_write(req, use_work, link, err);
}

/* What is wrong with name or password is said at its field; the link is not used up by it. */
static bool ask_again(struct request *req, const struct link *link, const struct err *why)
{
        bool password = strcmp(why->place, "/password") == 0;
        struct page page;

        if (why->code != ERR_ALREADY_EXISTS && why->code != ERR_BAD_FIELD)
                return false;
        write_page(req, link, password ? TEXT_NONE : TEXT_LINK_LOGIN_TAKEN,
                   password ? TEXT_PASSWORD_BAD : TEXT_NONE, &page);
        return page_refuse(&page, why);
}

FIBER_FN bool link_use(struct request *req, const struct api_link_use_in *in, struct api_text *out,
                       struct err *err)
{
        struct link link = {.text = STR("")};
        struct arena secrets;
        struct form form;
        bool ok;

        if (!form_read(req, "/login/link", in->body, &form, err))
                return false;
        link.text = form_get(&form, "link");
        link.chosen = form_get(&form, "login");
        if (!look(req, &link, form_get(&form, "tenant"), err))
                return false;
        arena_init_zeroing(&secrets, 16 * 1024);
        ok = set_password(req, &link, form_get(&form, "password"), &secrets, err);
        arena_done(&secrets);
        secret_wipe(link.encoded, sizeof(link.encoded));
        if (!ok)
                return ask_again(req, &link, err);
        page_redirect(req, arena_printf(req->arena, "/login/local?tenant=%.*s", STR_ARG(link.login.tenant)));
        out->text = STR("");
        return arena_check(req->arena, err);
}
