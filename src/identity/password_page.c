/* SPDX-License-Identifier: Apache-2.0 */
/* The page where people change the password of their local account. */
#include "api/api_handlers.h"
#include "identity/accounts.h"
#include "identity/own.h"
#include "identity/pages.h"

static bool look_work(struct request *req, void *arg, struct err *err)
{
        struct str principal = id_str(&req->principal.id);

        return account_get(req->tx, principal, arg, err) && own_check(req, principal, err);
}

/* Errors TEXT_NONE: none at that field. The login name is there for the browser's own keeping of passwords.
 */
static void write_page(struct request *req, const struct account *account, enum page_text at_current,
                       enum page_text at_password, struct page *ret_page)
{
        page_begin(req, TEXT_PASSWORD_TITLE, ret_page);
        page_paragraph(ret_page, TEXT_PASSWORD_OTHERS);
        page_form_begin(ret_page, "/account/password");
        if (account->login.ptr)
                HTML(ret_page,
                     "<input type=\"text\" name=\"login\" value=\"{}\" autocomplete=\"username\" hidden "
                     "readonly>\n",
                     account->login);
        page_field(ret_page, &(struct page_field){.name = "current",
                                                  .label = TEXT_PASSWORD_CURRENT,
                                                  .error = at_current,
                                                  .type = "password",
                                                  .autocomplete = "current-password",
                                                  .required = true,
                                                  .focus = at_password == TEXT_NONE,
                                                  .max_length = PASSWORD_MAX_BYTES});
        page_field(ret_page, &(struct page_field){.name = "password",
                                                  .label = TEXT_PASSWORD_NEW,
                                                  .hint = TEXT_LINK_PASSWORD_HINT,
                                                  .error = at_password,
                                                  .type = "password",
                                                  .autocomplete = "new-password",
                                                  .required = true,
                                                  .focus = at_password != TEXT_NONE,
                                                  .max_length = PASSWORD_MAX_BYTES});
        page_form_end(ret_page, TEXT_PASSWORD_CHANGE);
        page_go(ret_page, "/account", TEXT_ACCOUNT_BACK);
}

FIBER_FN bool password_page(struct request *req, const struct api_password_page_in *in, struct api_text *out,
                            struct err *err)
{
        struct account account;
        struct page page;

        (void)in;
        request_enter(req, id_str(&req->principal.tenant), req->principal.region);
        if (!own_browser(req, err) || !request_read(req, look_work, &account, err))
                return false;
        write_page(req, &account, TEXT_NONE, TEXT_NONE, &page);
        return page_end(&page, out, err);
}

static FIBER_FN bool ask_again(struct request *req, const struct err *why)
{
        bool current = strcmp(why->place, "/current") == 0;
        struct account account;
        struct page page;
        struct err err;

        if ((!current && strcmp(why->place, "/password") != 0) ||
            !request_read(req, look_work, &account, &err))
                return false;
        write_page(req, &account, current ? TEXT_PASSWORD_NOT_IT : TEXT_NONE,
                   current ? TEXT_NONE : TEXT_PASSWORD_BAD, &page);
        return page_refuse(&page, why);
}

FIBER_FN bool password_form_change(struct request *req, const struct api_password_form_change_in *in,
                                   struct err *err)
{
        struct form form;

        request_enter(req, id_str(&req->principal.tenant), req->principal.region);
        if (!own_browser(req, err) || !form_read(req, "/account/password", in->body, &form, err))
                return false;
        if (!own_password_change(req, id_str(&req->principal.id), form_get(&form, "current"),
                                 form_get(&form, "password"), err))
                return ask_again(req, err);
        page_redirect(req, STR("/account"));
        return true;
}
