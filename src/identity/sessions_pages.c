/* SPDX-License-Identifier: Apache-2.0 */
/* The page where people see where they are signed in, and end sessions. */
#include "api/api_handlers.h"
#include "base/clock.h"
#include "identity/own.h"
#include "identity/pages.h"
#include "identity/realms_sql.h"
#include "identity/sessions.h"
#include "identity/sessions_sql.h"

/* Somebody with more ends all others, or lists them with the command line. */
enum { SESSIONS_SHOWN = 100 };

struct one {
        struct sql_session_get_row row;
        struct str realm; /* its name; {NULL, 0}: local */
};

struct look {
        struct one items[SESSIONS_SHOWN];
        size_t count;
};

static bool look_work(struct request *req, void *arg, struct err *err)
{
        SQL_SCOPED(session_list) c = {0};
        struct look *look = arg;
        bool has = true;

        if (!sql_session_list_open(req->tx, id_str(&req->principal.id), STR(""), req->now_ms, SESSIONS_SHOWN,
                                   &c, err))
                return false;
        while (look->count < SESSIONS_SHOWN) {
                if (!sql_session_list_next(&c, &look->items[look->count].row, &has, err))
                        return false;
                if (!has)
                        break;
                look->count++;
        }
        for (size_t i = 0; i < look->count; i++) {
                struct sql_realm_get_row realm;
                bool found;

                if (!sql_realm_get(req->tx, look->items[i].row.realm, &realm, &found, err))
                        return false;
                look->items[i].realm = found ? realm.name : STR_NULL;
        }
        return true;
}

static void write_time(struct page *page, enum page_text name, int64_t time_ms)
{
        char text[CLOCK_RFC3339_SIZE];

        clock_format(time_ms, text);
        HTML(page, "<dt>");
        page_text(page, name);
        HTML(page, "</dt><dd><time datetime=\"{}\">{}</time></dd>\n", str_from(text), str_from(text));
}

static void write_one(struct page *page, const struct one *one)
{
        const struct sql_session_get_row *row = &one->row;
        bool current = str_eq(row->id, id_str(&page->req->principal.session));

        HTML(page, "<h2>");
        page_text(page, current                        ? TEXT_SESSION_THIS
                        : str_is(row->kind, "browser") ? TEXT_SESSION_BROWSER
                                                       : TEXT_SESSION_CLI);
        HTML(page, "</h2>\n<dl>\n");
        write_time(page, TEXT_SESSION_SINCE, row->created_ms);
        write_time(page, TEXT_SESSION_SEEN, row->seen_ms);
        write_time(page, TEXT_SESSION_UNTIL, row->expires_ms);
        if (row->has_second_factor_ms)
                write_time(page, TEXT_SESSION_FACTOR, row->second_factor_ms);
        if (one->realm.ptr) {
                HTML(page, "<dt>");
                page_text(page, TEXT_ACCOUNT_REALM);
                HTML(page, "</dt><dd>{}</dd>\n", one->realm);
        }
        HTML(page, "</dl>\n");
        if (current) {
                page_form_begin(page, "/logout");
                page_form_end(page, TEXT_LOGOUT_DO);
                return;
        }
        page_form_begin(page, "/account/sessions");
        page_button_with(page, TEXT_SESSION_END, row->id, "session", row->id);
        page_form_end(page, TEXT_NONE);
}

FIBER_FN bool sessions_page(struct request *req, const struct api_sessions_page_in *in, struct api_text *out,
                            struct err *err)
{
        struct look *look = ARENA_NEW(req->arena, struct look);
        struct page page;

        (void)in;
        if (!look)
                return arena_check(req->arena, err);
        request_enter(req, id_str(&req->principal.tenant), req->principal.region);
        if (!own_browser(req, err) || !request_read(req, look_work, look, err))
                return false;
        page_begin(req, TEXT_SESSIONS_TITLE, &page);
        for (size_t i = 0; i < look->count; i++)
                write_one(&page, &look->items[i]);
        if (look->count > 1) {
                page_form_begin(&page, "/account/sessions");
                page_button(&page, TEXT_SESSION_END_OTHERS, "session", STR("others"));
                page_form_end(&page, TEXT_NONE);
        } else {
                page_paragraph(&page, TEXT_SESSIONS_ALONE);
        }
        page_go(&page, "/account", TEXT_ACCOUNT_BACK);
        return page_end(&page, out, err);
}

static bool end_work(struct request *req, void *arg, struct err *err)
{
        struct str principal = id_str(&req->principal.id);
        struct sql_session_get_row row;
        struct str *session = arg;
        bool found;

        request_log_resource(req, "principal", principal);
        if (str_is(*session, "others"))
                return session_revoke_principal(req->services, req->tx, principal,
                                                id_str(&req->principal.session), req->now_ms, NULL, err);
        if (!sql_session_get(req->tx, *session, &row, &found, err))
                return false;
        if (!found || !str_eq(row.principal_id, principal))
                return err_set(err, ERR_NOT_FOUND, "there is no such session");
        request_log_detail(req, "session", *session);
        return session_revoke(req->services, req->tx, *session, req->now_ms, err);
}

FIBER_FN bool sessions_form_end(struct request *req, const struct api_sessions_form_end_in *in,
                                struct err *err)
{
        struct str session;
        struct form form;

        request_enter(req, id_str(&req->principal.tenant), req->principal.region);
        if (!own_browser(req, err) || !form_read(req, "/account/sessions", in->body, &form, err))
                return false;
        session = form_get(&form, "session");
        if (!request_write(req, end_work, &session, err))
                return false;
        if (str_eq(session, id_str(&req->principal.session)))
                session_reply_no_cookie(req);
        page_redirect(req, STR("/account/sessions"));
        return true;
}
