/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `countersign login --device` (RFC 8628): two codes, a page where a person types the short one, and the
 * device's polling. They wait in the directory, since nobody knows yet whose device it will be.
 */
#include "identity/tokens.h"

#include "api/cell.h"
#include "api/services.h"
#include "base/base64.h"
#include "base/clock.h"
#include "identity/accounts_throttle.h"
#include "identity/tokens_sql.h"

enum { DEVICE_BYTES = 32, USER_LETTERS = 8, USER_CODE_SIZE = USER_LETTERS + 2, INSERT_TRIES = 4 };
#define DEVICE_LIFETIME_MS ((int64_t)10 * 60000)
#define DEVICE_INTERVAL_MS ((int64_t)5000)
/* What a device that does not wait is slowed down by (section 3.5). */
#define DEVICE_SLOWER_MS ((int64_t)5000)

/* Section 6.1: no vowels, so no words, and nothing that looks alike; 20 to the 8th is 34 bits. */
static const char letters[] = "BCDFGHJKLMNPQRSTVWXZ";

/* ---- codes -------------------------------------------------------------------------------------------- */

static void make_user_code(char ret[USER_CODE_SIZE])
{
        unsigned at = 0;

        while (at < USER_CODE_SIZE - 1) {
                uint8_t byte;

                if (at == USER_LETTERS / 2)
                        ret[at++] = '-';
                random_bytes(&byte, 1);
                if (byte < 240) /* a multiple of 20: each letter as often as the others */
                        ret[at++] = letters[byte % 20];
        }
        ret[at] = '\0';
}

/* As people type it: any case, with or without the hyphen and blanks. "" when it cannot be one. */
static void clean_user_code(struct str typed, char ret[USER_CODE_SIZE])
{
        unsigned at = 0;

        for (size_t i = 0; i < typed.len; i++) {
                char c = typed.ptr[i];

                if (c >= 'a' && c <= 'z')
                        c = (char)(c - 'a' + 'A');
                if (c == '-' || c == ' ')
                        continue;
                if (c == '\0' || !strchr(letters, c) || at == USER_CODE_SIZE - 1) {
                        at = 0;
                        break;
                }
                if (at == USER_LETTERS / 2)
                        ret[at++] = '-';
                ret[at++] = c;
        }
        ret[at == USER_CODE_SIZE - 1 ? at : 0] = '\0';
}

static struct sha256 hash_of(struct str text)
{
        struct sha256 hash;

        sha256_of(text, &hash);
        return hash;
}

/* ---- the device asks -----------------------------------------------------------------------------------
 */

struct begin {
        struct sha256 device;
        struct sha256 user;
        int64_t now_ms;
        int64_t changes;
};

static bool begin_work(struct tx *tx, void *arg, struct err *err)
{
        struct begin *begin = arg;
        int64_t swept;

        return sql_device_sweep(tx, begin->now_ms - DEVICE_LIFETIME_MS, &swept, err) &&
               sql_device_insert(tx, sha256_str(&begin->device), sha256_str(&begin->user), begin->now_ms,
                                 begin->now_ms + DEVICE_LIFETIME_MS, DEVICE_INTERVAL_MS, &begin->changes,
                                 err);
}

FIBER_FN bool oauth_device(struct request *req, const struct api_oauth_device_in *in,
                           struct api_oauth_device *out, struct err *err)
{
        struct begin begin = {.now_ms = req->now_ms};
        char user[USER_CODE_SIZE];
        uint8_t bytes[DEVICE_BYTES];
        struct str url = req->services->url;
        struct form form;

        if (!form_parse(req->arena, in->body, &form, err))
                return false;
        if (!str_is(form_get(&form, "client_id"), TOKEN_CLI_CLIENT))
                return err_set(err, ERR_INVALID_CLIENT, "the client is not known");
        random_bytes(bytes, sizeof(bytes));
        out->device_code = base64url_encode(req->arena, str_make(bytes, sizeof(bytes)));
        begin.device = hash_of(out->device_code);
        for (int i = 0; i < INSERT_TRIES && begin.changes == 0; i++) {
                make_user_code(user);
                begin.user = hash_of(str_from(user));
                if (!cell_write(req->services->store, &CELL_DIRECTORY, req->arena, begin_work, &begin, err))
                        return false;
        }
        if (begin.changes == 0)
                return err_set(err, ERR_OVERLOADED, "no free code; try again");
        out->user_code = arena_str(req->arena, str_from(user));
        out->verification_uri = arena_printf(req->arena, "%.*s/device", STR_ARG(url));
        out->verification_uri_complete =
                arena_printf(req->arena, "%.*s/device?user_code=%s", STR_ARG(url), user);
        out->expires_in = DEVICE_LIFETIME_MS / 1000;
        out->interval = DEVICE_INTERVAL_MS / 1000;
        return arena_check(req->arena, err);
}

/* ---- the device polls ----------------------------------------------------------------------------------
 */

struct poll {
        struct sha256 device;
        int64_t now_ms;
        struct sql_device_get_row row;
        bool found;
        bool early;
        bool won;
};

static bool poll_work(struct tx *tx, void *arg, struct err *err)
{
        struct poll *poll = arg;
        struct sql_device_get_row *row = &poll->row;
        int64_t changes = 0;

        if (!sql_device_get(tx, sha256_str(&poll->device), row, &poll->found, err))
                return false;
        if (!poll->found || poll->now_ms >= row->expires_ms)
                return true;
        if (str_is(row->state, "allowed")) {
                if (!sql_device_use(tx, sha256_str(&poll->device), &changes, err))
                        return false;
                poll->won = changes == 1;
                return true;
        }
        poll->early = poll->now_ms < row->polled_ms + row->interval_ms;
        return sql_device_polled(tx, sha256_str(&poll->device), poll->now_ms,
                                 row->interval_ms + (poll->early ? DEVICE_SLOWER_MS : 0), &changes, err);
}

FIBER_FN bool token_grant_device(struct request *req, const struct form *form, struct token_grant *ret,
                                 struct err *err)
{
        struct poll poll = {.device = hash_of(form_get(form, "device_code")), .now_ms = req->now_ms};
        const struct sql_device_get_row *row = &poll.row;

        if (!str_is(form_get(form, "client_id"), TOKEN_CLI_CLIENT))
                return err_set(err, ERR_INVALID_CLIENT, "the client is not known");
        if (!cell_write(req->services->store, &CELL_DIRECTORY, req->arena, poll_work, &poll, err))
                return false;
        if (!poll.found)
                return err_set(err, ERR_INVALID_GRANT, "the device code is not known");
        if (req->now_ms >= row->expires_ms)
                return err_set(err, ERR_EXPIRED_TOKEN, "nobody decided in time; begin again");
        if (str_is(row->state, "waiting"))
                return poll.early ? err_set(err, ERR_SLOW_DOWN, "ask less often")
                                  : err_set(err, ERR_AUTHORIZATION_PENDING, "nobody has decided yet");
        if (str_is(row->state, "refused"))
                return err_set(err, ERR_ACCESS_DENIED, "the person said no");
        if (!poll.won)
                return err_set(err, ERR_INVALID_GRANT, "the device code was used");
        *ret = (struct token_grant){.name = "device_code", .tenant = row->tenant_id};
        if (!token_find_tenant(req, ret->tenant, &ret->region, err))
                return false;
        req->principal.kind = PRINCIPAL_USER; /* whose entry it is */
        req->principal.id = id_from(row->principal_id);
        req->principal.tenant = id_from(row->tenant_id);
        req->principal.region = ret->region;
        ret->new = (struct session_new){
                .principal = row->principal_id,
                .kind = SESSION_CLI,
                .realm = row->realm,
                .methods = row->methods,
                .authenticated_ms = row->authenticated_ms,
                .second_factor_ms = row->has_second_factor_ms ? row->second_factor_ms : 0,
                .provider_session = row->provider_session,
                .allowed_in = row->allowed_in,
        };
        return true;
}

/* ---- the person decides ---------------------------------------------------------------------------------
 */

struct decide {
        struct request *req;
        char code[USER_CODE_SIZE];
        struct sha256 user;
        const char *state;
        struct str provider_session;
        struct sql_device_waits_row waits;
        int64_t changes;
        bool found;
};

static bool waits_work(struct tx *tx, void *arg, struct err *err)
{
        struct decide *decide = arg;

        return sql_device_waits(tx, sha256_str(&decide->user), decide->req->now_ms, &decide->waits,
                                &decide->found, err);
}

static bool decide_work(struct tx *tx, void *arg, struct err *err)
{
        struct decide *decide = arg;
        const struct principal *principal = &decide->req->principal;

        return sql_device_decide(tx,
                                 &(struct sql_device_decide_in){
                                         .user_hash = sha256_str(&decide->user),
                                         .now = decide->req->now_ms,
                                         .state = str_from(decide->state),
                                         .tenant_id = id_str(&principal->tenant),
                                         .principal_id = id_str(&principal->id),
                                         .realm = principal->realm,
                                         .methods = principal->methods,
                                         .authenticated_ms = principal->authenticated_ms,
                                         .second_factor_ms = principal->second_factor_ms != 0
                                                                     ? &principal->second_factor_ms
                                                                     : NULL,
                                         .provider_session = decide->provider_session,
                                         .allowed_in = id_str(&principal->session),
                                 },
                                 &decide->changes, err);
}

/* The entry of the decision, and what the provider calls the session. */
static bool entry_work(struct request *req, void *arg, struct err *err)
{
        struct decide *decide = arg;
        struct sql_session_provider_row row;
        bool found;

        if (!sql_session_provider(req->tx, id_str(&req->principal.session), &row, &found, err))
                return false;
        if (found)
                decide->provider_session = row.provider_session;
        request_log_resource(req, "session", id_str(&req->principal.session));
        request_log_detail(req, "decision", str_from(decide->state));
        return true;
}

/* Section 5.1: a code is short, so wrong ones are counted, for each person and each address. */
static FIBER_FN bool look_up(struct decide *decide, enum page_text *ret_problem, struct err *err)
{
        struct request *req = decide->req;
        struct throttle *throttle = req->services->throttle;
        struct throttle_try try = {.tenant = id_str(&req->principal.tenant),
                                   .account = arena_printf(req->arena, "device %s", req->principal.id.text),
                                   .source = req->peer};
        int64_t now_ms = clock_mono_us() / 1000;
        int64_t retry_ms;
        struct err many;

        *ret_problem = TEXT_NONE;
        if (!throttle_take(throttle, &try, now_ms, &retry_ms, &many)) {
                *ret_problem = TEXT_DEVICE_MANY;
                return true;
        }
        decide->user = hash_of(str_from(decide->code));
        if (!cell_read(req->services->store, &CELL_DIRECTORY, req->arena, waits_work, decide, err))
                return false;
        if (decide->found)
                throttle_return(throttle, &try, now_ms);
        else
                *ret_problem = TEXT_DEVICE_UNKNOWN;
        return true;
}

static bool ask_code(struct request *req, struct str typed, enum page_text problem, struct api_text *out,
                     struct err *err)
{
        struct page page;

        page_begin(req, TEXT_DEVICE_TITLE, &page);
        page_form_begin(&page, "/device");
        page_field(&page, &(struct page_field){.name = "user_code",
                                               .label = TEXT_DEVICE_CODE,
                                               .autocomplete = "off",
                                               .value = typed,
                                               .hint = TEXT_DEVICE_CODE_HINT,
                                               .error = problem,
                                               .required = true,
                                               .focus = true,
                                               .max_length = 32});
        page_form_end(&page, TEXT_CONTINUE);
        return page_end(&page, out, err);
}

static bool ask_decision(struct request *req, const char *code, struct api_text *out, struct err *err)
{
        struct page page;

        page_begin(req, TEXT_DEVICE_TITLE, &page);
        HTML(&page, "<p>");
        page_text_with(&page, TEXT_DEVICE_ASK, str_from(code));
        HTML(&page, "</p>\n");
        page_paragraph(&page, TEXT_DEVICE_WARN);
        page_form_begin(&page, "/device");
        page_hidden(&page, "user_code", str_from(code));
        page_button(&page, TEXT_CLI_ALLOW, "decision", STR("allow"));
        page_button(&page, TEXT_CLI_REFUSE, "decision", STR("refuse"));
        page_form_end(&page, TEXT_NONE);
        return page_end(&page, out, err);
}

static bool say(struct request *req, enum page_text title, enum page_text text, struct api_text *out,
                struct err *err)
{
        struct page page;

        page_begin(req, title, &page);
        page_paragraph(&page, text);
        return page_end(&page, out, err);
}

FIBER_FN bool device_page(struct request *req, const struct api_device_page_in *in, struct api_text *out,
                          struct err *err)
{
        if (!req->principal.by_cookie)
                return err_set(err, ERR_UNAUTHENTICATED, "this page is for people in a browser: log in");
        /* A link may bring the code along, but only a person says that it is the one on their device. */
        return ask_code(req, in->user_code, TEXT_NONE, out, err);
}

FIBER_FN bool device_decide(struct request *req, const struct api_device_decide_in *in, struct api_text *out,
                            struct err *err)
{
        struct decide decide = {.req = req};
        enum page_text problem;
        struct form form;
        struct str decision;

        if (!req->principal.by_cookie)
                return err_set(err, ERR_UNAUTHENTICATED, "this page is for people in a browser: log in");
        if (!form_read(req, "/device", in->body, &form, err))
                return false;
        clean_user_code(form_get(&form, "user_code"), decide.code);
        if (!look_up(&decide, &problem, err))
                return false;
        if (problem != TEXT_NONE)
                return ask_code(req, form_get(&form, "user_code"), problem, out, err);
        decision = form_get(&form, "decision");
        if (decision.len == 0)
                return ask_decision(req, decide.code, out, err);
        decide.state = str_is(decision, "allow") ? "allowed" : "refused";
        if (!request_write(req, entry_work, &decide, err) ||
            !cell_write(req->services->store, &CELL_DIRECTORY, req->arena, decide_work, &decide, err))
                return false;
        if (decide.changes == 0)
                return ask_code(req, STR(""), TEXT_DEVICE_UNKNOWN, out, err);
        return str_is(decision, "allow")
                       ? say(req, TEXT_DEVICE_ALLOWED_TITLE, TEXT_DEVICE_ALLOWED, out, err)
                       : say(req, TEXT_DEVICE_REFUSED_TITLE, TEXT_DEVICE_REFUSED, out, err);
}
