/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/login.h"

#include "api/api_types.h"
#include "api/cell.h"
#include "api/route.h"
#include "api/services.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "crypto/secret.h"
#include "identity/accounts_sql.h"

#define DEVICE_COOKIE "countersign-device"
#define DEVICE_PURPOSE "device-cookie"

enum { DEVICE_DAYS = 180, DEVICE_BYTES = 12 };

/* ---- the tenant -------------------------------------------------------------------------------------- */

struct place_look {
        struct str tenant;
        struct sql_account_place_row row;
        bool found;
};

static bool place_work(struct tx *tx, void *arg, struct err *err)
{
        struct place_look *look = arg;

        return sql_account_place(tx, look->tenant, &look->row, &look->found, err);
}

FIBER_FN bool login_find_tenant(struct request *req, struct str tenant, struct login *ret, struct err *err)
{
        struct place_look look = {.tenant = tenant};

        if (!cell_read(req->services->store, &CELL_DIRECTORY, req->arena, place_work, &look, err))
                return false;
        if (!look.found)
                return err_set(err, ERR_NOT_FOUND, "there is no such tenant");
        if (!str_is(look.row.state, "active"))
                return err_set(err, ERR_TENANT_SUSPENDED, "the tenant is suspended");
        ret->tenant = look.row.tenant_id;
        ret->tenant_name = look.row.name;
        ret->region = look.row.region;
        return true;
}

/* ---- throttling -----------------------------------------------------------------------------------------
 */

/* "<tenant>|<login name>|<random>", signed: this browser has logged in to this account before. */
static struct str known_device(struct request *req, const struct login *login)
{
        struct str cookie = page_cookie(req, DEVICE_COOKIE);
        struct str rest, tenant, name, folded;

        if (!cookie.ptr || login->folded.len == 0 ||
            !signed_text_read(req->services, req->arena, DEVICE_PURPOSE, cookie, &rest) ||
            !str_cut(&rest, '|', &tenant) || !str_cut(&rest, '|', &name) ||
            !base64url_decode(req->arena, name, &folded) || !str_eq(tenant, login->tenant) ||
            !str_eq(folded, login->folded))
                return STR_NULL;
        return rest;
}

static bool remember_device(struct request *req, const struct login *login, struct err *err)
{
        uint8_t bytes[DEVICE_BYTES];
        struct str text, cookie;

        if (login->folded.len == 0 || known_device(req, login).ptr)
                return true;
        random_bytes(bytes, sizeof(bytes));
        text = arena_printf(req->arena, "%.*s|%.*s|%.*s", STR_ARG(login->tenant),
                            STR_ARG(base64url_encode(req->arena, login->folded)),
                            STR_ARG(base64url_encode(req->arena, str_make(bytes, sizeof(bytes)))));
        if (!arena_check(req->arena, err) ||
            !signed_text_make(req->services, req->arena, DEVICE_PURPOSE, text, &cookie, err))
                return false;
        page_set_cookie(req, DEVICE_COOKIE, cookie, (int64_t)DEVICE_DAYS * 86400, "Strict");
        return true;
}

struct throttle_try login_try(struct request *req, const struct login *login, struct str account)
{
        return (struct throttle_try){.tenant = login->tenant,
                                     .account = account,
                                     .source = req->peer,
                                     .device = known_device(req, login)};
}

bool login_take_try(struct request *req, const struct throttle_try *try, struct err *err)
{
        int64_t retry_ms;

        if (throttle_take(req->services->throttle, try, clock_mono_us() / 1000, &retry_ms, err))
                return true;
        req->retry_after_s = (retry_ms + 999) / 1000;
        return false;
}

void login_return_try(struct request *req, const struct throttle_try *try)
{
        throttle_return(req->services->throttle, try, clock_mono_us() / 1000);
}

/* ---- the session
 * ------------------------------------------------------------------------------------------ */

bool login_make_session(struct request *req, const struct login *login, struct session_secret *ret,
                        struct err *err)
{
        const struct session_new new = {.principal = login->principal,
                                        .kind = SESSION_BROWSER,
                                        .realm = STR("local"),
                                        .methods = str_from(login->methods),
                                        .authenticated_ms = req->now_ms,
                                        .second_factor_ms = login->second_factor ? req->now_ms : 0};

        if (!session_create(req->services, req->tx, &new, req->now_ms, ret, err))
                return false;
        request_log_resource(req, "principal", login->principal);
        request_log_detail(req, "session", id_str(&ret->id));
        request_log_detail(req, "methods", new.methods);
        return true;
}

bool login_reply(struct request *req, const struct login *login, struct session_secret *secret,
                 struct api_text *out, struct err *err)
{
        session_reply_cookie(req, secret);
        secret_wipe(secret, sizeof(*secret));
        if (!remember_device(req, login, err))
                return false;
        page_redirect(req, page_return_to(login->return_to));
        out->text = STR("");
        return true;
}
