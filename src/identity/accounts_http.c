/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts, as those who run a tenant see them; and a person's own password. */
#include "access/access.h"
#include "api/api_handlers.h"
#include "api/listing.h"
#include "api/services.h"
#include "base/clock.h"
#include "crypto/secret.h"
#include "identity/accounts_sql.h"
#include "identity/accounts_throttle.h"
#include "identity/factors.h"
#include "identity/own.h"

static struct api_account account_to_api(const struct account *account)
{
        return (struct api_account){
                .principal = account->principal,
                .name = account->name,
                .login = account->login,
                .has_password = account->has_password,
                .disabled = account->disabled,
                .created_at_ms = account->created_ms,
                .has_password_at = account->password_ms > 0,
                .password_at_ms = account->password_ms,
        };
}

bool account_list(struct request *req, const struct api_account_list_in *in, struct api_account_page *out,
                  struct err *err)
{
        struct api_account *items;
        struct listing listing;
        SQL_SCOPED(account_list) c = {0};
        struct sql_account_get_row row;
        bool has;

        if (!LISTING_BEGIN(&listing, req, in, &items, err) ||
            !sql_account_list_open(req->tx, listing.after, listing.rows, &c, err))
                return false;
        for (;;) {
                struct account account;

                if (!sql_account_list_next(&c, &row, &has, err))
                        return false;
                if (!has || !listing_takes(&listing, row.principal_id))
                        break;
                if (!account_get(req->tx, row.principal_id, &account, err))
                        return false;
                items[listing.count++] = account_to_api(&account);
        }
        *out = (struct api_account_page){items, listing.count, listing.next};
        return arena_check(req->arena, err);
}

/* ---- accounts and their links --------------------------------------------------------------------------
 */

struct make {
        struct credential link;
        struct str principal;
        struct str login;
        bool create;
        int64_t expires_ms;
        struct account account;
};

static bool make_work(struct request *req, void *arg, struct err *err)
{
        struct make *make = arg;

        if (make->create &&
            !account_create(req->tx, make->principal, make->login, req->now_ms, &make->account, err))
                return false;
        if (!account_link_keep(req->tx, &make->link, make->principal, req->now_ms, make->expires_ms, err) ||
            !account_get(req->tx, make->principal, &make->account, err))
                return false;
        request_log_resource(req, "principal", make->principal);
        /* Whoever has the link sets the password, and then is that person. */
        if (!access_check_reach(req, make->principal, err))
                return false;
        request_log_detail(req, "link", str_from(make->link.prefix));
        return true;
}

static FIBER_FN bool make_link(struct request *req, struct make *make, struct api_account_link *out,
                               struct err *err)
{
        bool ok;

        make->expires_ms = req->now_ms + req->services->accounts->link_ms;
        ok = credential_new(req->services, LINK_KIND, &make->link, err) &&
             request_write(req, make_work, make, err);
        if (ok)
                *out = (struct api_account_link){.account = account_to_api(&make->account),
                                                 .link = arena_printf(req->arena,
                                                                      "%.*s/login/link?tenant=%.*s&link=%s",
                                                                      STR_ARG(req->services->url),
                                                                      STR_ARG(req->tenant), make->link.text),
                                                 .expires_at_ms = make->expires_ms};
        secret_wipe(&make->link, sizeof(make->link));
        return ok && arena_check(req->arena, err);
}

FIBER_FN bool account_create_link(struct request *req, const struct api_account_create_link_in *in,
                                  struct api_account_link *out, struct err *err)
{
        struct make make = {.principal = in->principal};

        return make_link(req, &make, out, err);
}

FIBER_FN bool account_make(struct request *req, const struct api_account_make_in *in,
                           struct api_account_link *out, struct err *err)
{
        struct make make = {.principal = in->body.principal, .login = in->body.login, .create = true};

        return make_link(req, &make, out, err);
}

static bool set_disabled(struct request *req, struct str principal, bool disabled, struct api_account *out,
                         struct err *err)
{
        struct account account;

        if (!account_set_disabled(req->services, req->tx, principal, disabled, req->now_ms, err) ||
            !account_get(req->tx, principal, &account, err))
                return false;
        request_log_resource(req, "principal", principal);
        *out = account_to_api(&account);
        return disabled || access_check_reach(req, principal, err);
}

bool account_disable(struct request *req, const struct api_account_disable_in *in, struct api_account *out,
                     struct err *err)
{
        return set_disabled(req, in->principal, true, out, err);
}

bool account_enable(struct request *req, const struct api_account_enable_in *in, struct api_account *out,
                    struct err *err)
{
        return set_disabled(req, in->principal, false, out, err);
}

/* ---- one's own password ---------------------------------------------------------------------------------
 */

struct change {
        struct str principal;
        struct arena secrets;
        struct str stored;
        struct account account;
        char encoded[PASSWORD_ENCODED_SIZE];
};

static bool stored_work(struct request *req, void *arg, struct err *err)
{
        struct change *change = arg;

        return own_check(req, change->principal, err) &&
               account_get(req->tx, change->principal, &change->account, err) &&
               account_password(req->tx, &change->secrets, change->principal, &change->stored, err);
}

static bool change_work(struct request *req, void *arg, struct err *err)
{
        struct change *change = arg;

        request_log_resource(req, "principal", change->principal);
        return account_put_password(req->services, req->tx, change->principal,
                                    id_str(&req->principal.session), str_from(change->encoded), req->now_ms,
                                    err);
}

static FIBER_FN bool change_password(struct request *req, struct str current, struct str password,
                                     struct change *change, struct err *err)
{
        struct passwords *passwords = req->services->accounts->passwords;
        const struct throttle_try try = {.tenant = req->tenant,
                                         .account = change->principal,
                                         .source = req->peer,
                                         .device = change->principal};
        struct str old, new;
        int64_t retry_ms;
        bool right, outdated;

        if (!request_read(req, stored_work, change, err) ||
            !password_prepare(&change->secrets, current, &old, err) ||
            !password_prepare(&change->secrets, password, &new, err) ||
            !password_check(passwords, new, change->account.login, err) ||
            !throttle_take(req->services->throttle, &try, clock_mono_us() / 1000, &retry_ms, err) ||
            !passwords_verify(passwords, old, change->stored, &right, &outdated, err))
                return false;
        if (!right)
                return err_set_at(err, ERR_FORBIDDEN, "/current", "this is not the password that stands");
        return passwords_hash(passwords, new, change->encoded, err) &&
               request_write(req, change_work, change, err);
}

FIBER_FN bool own_password_change(struct request *req, struct str principal, struct str current,
                                  struct str password, struct err *err)
{
        struct change *change = ARENA_NEW(req->arena, struct change);
        bool ok;

        if (!change)
                return arena_check(req->arena, err);
        change->principal = principal;
        arena_init_zeroing(&change->secrets, 16 * 1024);
        ok = change_password(req, current, password, change, err);
        arena_done(&change->secrets);
        secret_wipe(change->encoded, sizeof(change->encoded));
        return ok;
}

FIBER_FN bool password_change(struct request *req, const struct api_password_change_in *in, struct err *err)
{
        return own_password_change(req, in->principal, in->body.current, in->body.password, err);
}
