/* SPDX-License-Identifier: Apache-2.0 */
#include "access/access.h"
#include "access/roles.h"
#include "api/api_handlers.h"
#include "api/listing.h"
#include "api/services.h"
#include "identity/identity.h"
#include "identity/identity_http.h"
#include "identity/pages.h"
#include "identity/sessions.h"
#include "identity/sessions_sql.h"
#include "identity/words.h"

/* ---- the cookie -------------------------------------------------------------------------------- */

void session_reply_cookie(struct request *req, const struct session_secret *secret)
{
        page_set_cookie(req, SESSION_COOKIE, str_from(secret->text), 0, "Lax");
}

void session_reply_no_cookie(struct request *req)
{
        page_set_cookie(req, SESSION_COOKIE, STR(""), -1, "Lax");
}

/* ---- one's own, and those of others -------------------------------------------------------------- */

/* Sessions are the principal's own affair; those of others need session.manage. */
static bool check_whose(struct request *req, struct str principal, struct err *err)
{
        struct identity_principal found;

        if (!str_eq(principal, id_str(&req->principal.id)) &&
            !access_check(req, PERMISSION_SESSION_MANAGE, NULL, err))
                return false;
        if (!identity_principal_get(req->tx, principal, &found, err))
                return false;
        request_log_resource(req, "principal", principal);
        return true;
}

static bool session_from_row(struct request *req, const struct sql_session_get_row *row,
                             struct api_session *ret, struct err *err)
{
        *ret = (struct api_session){
                .id = row->id,
                .kind = api_session_kind_from(row->kind),
                .realm = row->realm,
                .workspace = row->workspace_id,
                .created_at_ms = row->created_ms,
                .authenticated_at_ms = row->authenticated_ms,
                .has_second_factor_at = row->has_second_factor_ms,
                .second_factor_at_ms = row->second_factor_ms,
                .seen_at_ms = row->seen_ms,
                .expires_at_ms = row->expires_ms,
                .current = str_eq(row->id, id_str(&req->principal.session)),
        };
        return words_split(req->arena, row->methods, &ret->methods, &ret->methods_count) ||
               arena_check(req->arena, err);
}

bool session_list(struct request *req, const struct api_session_list_in *in, struct api_session_page *out,
                  struct err *err)
{
        struct api_session *items;
        struct listing listing;
        SQL_SCOPED(session_list) c = {0};
        struct sql_session_get_row row;
        bool has;

        if (!check_whose(req, in->principal, err) || !LISTING_BEGIN(&listing, req, in, &items, err) ||
            !sql_session_list_open(req->tx, in->principal, listing.after, req->now_ms, listing.rows, &c,
                                   err))
                return false;
        for (;;) {
                if (!sql_session_list_next(&c, &row, &has, err))
                        return false;
                if (!has || !listing_takes(&listing, row.id))
                        break;
                if (!session_from_row(req, &row, &items[listing.count++], err))
                        return false;
        }
        *out = (struct api_session_page){items, listing.count, listing.next};
        return arena_check(req->arena, err);
}

bool session_end_all(struct request *req, const struct api_session_end_all_in *in,
                     struct api_sessions_revoked *out, struct err *err)
{
        return check_whose(req, in->principal, err) &&
               session_revoke_principal(req->services, req->tx, in->principal,
                                        id_str(&req->principal.session), req->now_ms, &out->revoked, err);
}

bool session_end(struct request *req, const struct api_session_end_in *in, struct err *err)
{
        struct sql_session_get_row row;
        bool found;

        if (!check_whose(req, in->principal, err) ||
            !sql_session_get(req->tx, in->session, &row, &found, err))
                return false;
        if (!found || !str_eq(row.principal_id, in->principal))
                return err_set(err, ERR_NOT_FOUND, "there is no such session");
        request_log_detail(req, "session", in->session);
        return session_revoke(req->services, req->tx, in->session, req->now_ms, err);
}

static bool logout_work(struct request *req, void *arg, struct err *err)
{
        (void)arg;
        request_log_resource(req, "session", id_str(&req->principal.session));
        return session_revoke(req->services, req->tx, id_str(&req->principal.session), req->now_ms, err);
}

FIBER_FN bool logout(struct request *req, const struct api_logout_in *in, struct err *err)
{
        (void)in;
        if (!req->principal.session.text[0])
                return err_set(err, ERR_CONFLICT,
                               "an API key has no session to end; revoke the key instead");
        if (!request_write(req, logout_work, NULL, err))
                return false;
        if (req->principal.by_cookie)
                session_reply_no_cookie(req);
        return true;
}

/* ---- whoami ---------------------------------------------------------------------------------------- */

bool identity_whoami(struct request *req, struct api_whoami *ret, struct err *err)
{
        const struct principal *principal = &req->principal;

        if (principal->credential.text[0])
                ret->credential = id_str(&principal->credential);
        ret->realm = principal->realm;
        ret->agent_scope = principal->agent_scope;
        ret->risk_tier = principal->risk_tier;
        ret->has_authenticated_at = principal->authenticated_ms != 0;
        ret->authenticated_at_ms = principal->authenticated_ms;
        ret->has_second_factor_at = principal->second_factor_ms != 0;
        ret->second_factor_at_ms = principal->second_factor_ms;
        ret->has_expires_at = principal->expires_ms != 0;
        ret->expires_at_ms = principal->expires_ms;
        if (principal->methods.ptr &&
            !words_split(req->arena, principal->methods, &ret->methods, &ret->methods_count))
                return arena_check(req->arena, err);
        return !principal->scoped ||
               words_split(req->arena, words_of_permissions(req->arena, &principal->scopes), &ret->scopes,
                           &ret->scopes_count) ||
               arena_check(req->arena, err);
}
