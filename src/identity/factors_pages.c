/* SPDX-License-Identifier: Apache-2.0 */
/* The pages where people set up and take away one-time passwords, and make recovery codes. */
#include "api/api_handlers.h"
#include "crypto/secret.h"
#include "identity/accounts_sql.h"
#include "identity/factors.h"
#include "identity/own.h"
#include "identity/pages.h"
#include "identity/sessions.h"
#include "identity/totp.h"

#include <qrencode.h>
#include <stdio.h>

/*
 * Of a text, so that the code has at most version 20 (ISO/IEC 18004:2015 table 7); and around it as many
 * light modules as section 5.3.8 wants. A run has at most 24 bytes, and there are at most half as many as
 * modules.
 */
enum {
        QR_TEXT_MAX = 858,
        QR_QUIET = 4,
        QR_SIZE_MAX = 97,
        QR_PATH_MOST_BYTES = QR_SIZE_MAX * QR_SIZE_MAX * 12
};

/* ---- what there is ------------------------------------------------------------------------------------ */

struct look {
        struct factors factors;
        bool has_account; /* people of an issuer have their one-time passwords there */
        bool fresh;
};

static bool look_work(struct request *req, void *arg, struct err *err)
{
        struct str principal = id_str(&req->principal.id);
        struct look *look = arg;
        struct account account;

        look->has_account = account_get(req->tx, principal, &account, err);
        if ((!look->has_account && err->code != ERR_NOT_FOUND) ||
            !factors_get(req->tx, principal, &look->factors, err))
                return false;
        look->fresh = own_is_fresh(req, &look->factors);
        return true;
}

static void heading(struct page *page, enum page_text text)
{
        HTML(page, "<h2>");
        page_text(page, text);
        HTML(page, "</h2>\n");
}

static void paragraph_with(struct page *page, enum page_text text, int64_t number)
{
        HTML(page, "<p>");
        page_text_with(page, text, arena_printf(page->req->arena, "%lld", (long long)number));
        HTML(page, "</p>\n");
}

static void one_button(struct page *page, const char *action, enum page_text text)
{
        page_form_begin(page, action);
        page_form_end(page, text);
}

static void write_codes(struct page *page, const struct look *look)
{
        heading(page, TEXT_TOTP_HEADING);
        page_paragraph(page, look->factors.totp ? TEXT_TOTP_ON : TEXT_TOTP_OFF);
        if (look->fresh && look->factors.totp)
                one_button(page, "/account/totp/remove", TEXT_TOTP_REMOVE);
        else if (look->fresh)
                one_button(page, "/account/totp", TEXT_TOTP_BEGIN);
        heading(page, TEXT_RECOVERY_HEADING);
        page_paragraph(page, TEXT_RECOVERY_WHY);
        paragraph_with(page, TEXT_RECOVERY_LEFT, look->factors.recovery_codes);
        if (look->fresh)
                one_button(page, "/account/recovery-codes", TEXT_RECOVERY_MAKE);
}

FIBER_FN bool factors_page(struct request *req, const struct api_factors_page_in *in, struct api_text *out,
                           struct err *err)
{
        struct look look = {.fresh = false};
        struct page page;

        (void)in;
        request_enter(req, id_str(&req->principal.tenant), req->principal.region);
        if (!own_browser(req, err) || !request_read(req, look_work, &look, err))
                return false;
        page_begin(req, TEXT_FACTORS_TITLE, &page);
        if (!look.fresh) {
                page_paragraph(&page, TEXT_FACTORS_STALE);
                HTML(&page, "<p>");
                page_link(&page, STR(STEP_UP_PATH "?return_to=/account/factors"), TEXT_STEP_UP_GO, STR_NULL);
                HTML(&page, "</p>\n");
        }
        if (look.has_account)
                write_codes(&page, &look);
        heading(&page, TEXT_PASSKEYS_HEADING);
        paragraph_with(&page, TEXT_PASSKEYS_COUNT, (int64_t)look.factors.passkeys);
        page_go(&page, "/account/passkeys", TEXT_PASSKEYS_GO);
        page_go(&page, "/account", TEXT_ACCOUNT_BACK);
        return page_end(&page, out, err);
}

/* ---- one-time passwords ---------------------------------------------------------------------------------
 */

struct setup {
        uint8_t seed[TOTP_SEED_SIZE]; /* wiped when the page is written */
        struct account account;
        struct str code;
        bool pending;
        struct session_secret session;
};

static bool begin_work(struct request *req, void *arg, struct err *err)
{
        struct str principal = id_str(&req->principal.id);
        struct setup *setup = arg;

        return own_check(req, principal, err) && account_get(req->tx, principal, &setup->account, err) &&
               totp_begin(req->tx, principal, req->now_ms, setup->seed, err);
}

static bool pending_work(struct request *req, void *arg, struct err *err)
{
        struct str principal = id_str(&req->principal.id);
        struct setup *setup = arg;

        return account_get(req->tx, principal, &setup->account, err) &&
               totp_pending(req->tx, principal, setup->seed, &setup->pending, err);
}

/* In fours, as people type it; apps leave the blanks out. */
static struct str in_fours(struct arena *arena, struct str text)
{
        struct str all = STR("");

        for (size_t i = 0; i < text.len; i += 4) {
                struct str four = str_slice(text, i, 4);

                all = arena_printf(arena, "%.*s%s%.*s", STR_ARG(all), i > 0 ? " " : "", STR_ARG(four));
        }
        return all;
}

static bool is_dark(const QRcode *qr, int x, int y)
{
        return qr->data[y * qr->width + x] & 1;
}

/* The longest run of each row is one rectangle of the path. */
static void write_path(const QRcode *qr, struct buf *path)
{
        for (int y = 0; y < qr->width; y++)
                for (int x = 0, from = 0; x < qr->width; x = from) {
                        char run[48];

                        for (from = x; from < qr->width && is_dark(qr, from, y) == is_dark(qr, x, y);)
                                from++;
                        if (!is_dark(qr, x, y))
                                continue;
                        (void)snprintf(run, sizeof(run), "M%d %dh%dv1h-%dz", x + QR_QUIET, y + QR_QUIET,
                                       from - x, from - x);
                        buf_append_c(path, run);
                }
}

/* Black on white whatever the page's colours are. Without it when the login name is too long for one. */
static void write_qr(struct page *page, struct str uri)
{
        QRcode *qr = uri.len <= QR_TEXT_MAX ? QRcode_encodeData((int)uri.len, (const unsigned char *)uri.ptr,
                                                                0, QR_ECLEVEL_L)
                                            : NULL;
        struct str side;
        struct buf path;

        if (!qr)
                return;
        buf_init(&path, QR_PATH_MOST_BYTES);
        write_path(qr, &path);
        side = arena_printf(page->req->arena, "%d", qr->width + 2 * QR_QUIET);
        HTML(page,
             "<svg class=\"qr\" viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"qr\"><title id=\"qr\">",
             side, side);
        page_text(page, TEXT_TOTP_QR);
        HTML(page,
             "</title><rect width=\"{}\" height=\"{}\" fill=\"#fff\"/><path fill=\"#000\" "
             "d=\"{}\"/></svg>\n",
             side, side, buf_str(&path));
        buf_done_zeroing(&path);
        secret_wipe(qr->data, (size_t)qr->width * (size_t)qr->width);
        QRcode_free(qr);
}

/* The request's memory, and so the seed's text, is wiped at its end (`secrets` in the contract). */
static void write_setup(struct request *req, struct setup *setup, enum page_text problem,
                        struct page *ret_page)
{
        struct str seed = str_make(setup->seed, sizeof(setup->seed));
        struct str who = setup->account.login.ptr ? setup->account.login : setup->account.name;
        struct str uri = totp_uri(req->arena, STR("Countersign"), who, seed);
        struct page *page = ret_page;

        page_begin(req, TEXT_TOTP_TITLE, page);
        page_paragraph(page, TEXT_TOTP_HOW);
        write_qr(page, uri);
        HTML(page, "<dl>\n<dt>");
        page_text(page, TEXT_TOTP_KEY);
        HTML(page, "</dt><dd><code id=\"seed\">{}</code></dd>\n<dt>",
             in_fours(req->arena, totp_seed_text(req->arena, seed)));
        page_text(page, TEXT_TOTP_KIND);
        HTML(page, "</dt><dd>");
        page_text(page, TEXT_TOTP_KIND_IS);
        HTML(page, "</dd>\n</dl>\n<p><a href=\"{}\">", uri);
        page_text(page, TEXT_TOTP_OPEN);
        HTML(page, "</a></p>\n");
        secret_wipe(setup->seed, sizeof(setup->seed));
        page_form_begin(page, "/account/totp/confirm");
        page_field(page, &(struct page_field){.name = "code",
                                              .label = TEXT_TOTP_CODE,
                                              .hint = TEXT_TOTP_CODE_HINT,
                                              .error = problem,
                                              .inputmode = "numeric",
                                              .autocomplete = "one-time-code",
                                              .required = true,
                                              .focus = true,
                                              .max_length = 16});
        page_form_end(page, TEXT_TOTP_CONFIRM);
        page_go(page, "/account/factors", TEXT_FACTORS_TITLE);
}

FIBER_FN bool totp_form_begin(struct request *req, const struct api_totp_form_begin_in *in,
                              struct api_text *out, struct err *err)
{
        struct setup setup = {.pending = false};
        struct form form;
        struct page page;

        request_enter(req, id_str(&req->principal.tenant), req->principal.region);
        if (!own_browser(req, err) || !form_read(req, "/account/totp", in->body, &form, err) ||
            !request_write(req, begin_work, &setup, err))
                return false;
        write_setup(req, &setup, TEXT_NONE, &page);
        return page_end(&page, out, err);
}

static bool confirm_work(struct request *req, void *arg, struct err *err)
{
        struct str principal = id_str(&req->principal.id);
        struct setup *setup = arg;

        /* Who has just shown a code has shown a second factor. */
        if (!own_check(req, principal, err))
                return false;
        if (totp_use(req->tx, principal, setup->code, false, req->now_ms, err))
                return session_second_factor(req->services, req->tx, id_str(&req->principal.session),
                                             STR("otp"), req->now_ms, &setup->session, err);
        /* The caller is known; it is the field that is wrong. */
        if (err->code == ERR_UNAUTHENTICATED)
                return err_set_at(err, ERR_BAD_FIELD, "code", "the code is not right, or was used already");
        return false;
}

static FIBER_FN bool ask_code_again(struct request *req, struct setup *setup, const struct err *why)
{
        struct page page;
        struct err err;

        if (!request_read(req, pending_work, setup, &err) || !setup->pending)
                return false;
        write_setup(req, setup, TEXT_FACTOR_WRONG, &page);
        return page_refuse(&page, why);
}

FIBER_FN bool totp_form_confirm(struct request *req, const struct api_totp_form_confirm_in *in,
                                struct err *err)
{
        struct setup setup = {.pending = false};
        struct form form;

        request_enter(req, id_str(&req->principal.tenant), req->principal.region);
        if (!own_browser(req, err) || !form_read(req, "/account/totp/confirm", in->body, &form, err))
                return false;
        setup.code = form_get(&form, "code");
        if (!request_write(req, confirm_work, &setup, err))
                return err->code == ERR_BAD_FIELD ? ask_code_again(req, &setup, err) : false;
        session_reply_cookie(req, &setup.session);
        secret_wipe(&setup.session, sizeof(setup.session));
        page_redirect(req, STR("/account/factors"));
        return true;
}

static bool remove_work(struct request *req, void *arg, struct err *err)
{
        struct str principal = id_str(&req->principal.id);
        int64_t changes;

        (void)arg;
        return own_check(req, principal, err) &&
               sql_account_totp_delete(req->tx, principal, &changes, err) &&
               (changes == 1 || err_set(err, ERR_NOT_FOUND, "no one-time passwords are set up"));
}

FIBER_FN bool totp_form_remove(struct request *req, const struct api_totp_form_remove_in *in,
                               struct err *err)
{
        struct form form;

        request_enter(req, id_str(&req->principal.tenant), req->principal.region);
        if (!own_browser(req, err) || !form_read(req, "/account/totp/remove", in->body, &form, err) ||
            !request_write(req, remove_work, NULL, err))
                return false;
        page_redirect(req, STR("/account/factors"));
        return true;
}

/* ---- recovery codes -------------------------------------------------------------------------------------
 */

struct codes {
        char codes[RECOVERY_CODES][RECOVERY_CODE_SIZE];
};

static bool codes_work(struct request *req, void *arg, struct err *err)
{
        struct str principal = id_str(&req->principal.id);
        struct codes *codes = arg;
        struct account account;

        return own_check(req, principal, err) && account_get(req->tx, principal, &account, err) &&
               recovery_make(req->services, req->tx, principal, req->now_ms, codes->codes, err);
}

FIBER_FN bool recovery_codes_form(struct request *req, const struct api_recovery_codes_form_in *in,
                                  struct api_text *out, struct err *err)
{
        struct codes codes;
        struct form form;
        struct page page;

        request_enter(req, id_str(&req->principal.tenant), req->principal.region);
        if (!own_browser(req, err) || !form_read(req, "/account/recovery-codes", in->body, &form, err) ||
            !request_write(req, codes_work, &codes, err))
                return false;
        page_begin(req, TEXT_RECOVERY_TITLE, &page);
        page_paragraph(&page, TEXT_RECOVERY_ONCE);
        HTML(&page, "<ol class=\"codes\">\n");
        for (int i = 0; i < RECOVERY_CODES; i++)
                HTML(&page, "<li><code>{}</code></li>\n", str_from(codes.codes[i]));
        HTML(&page, "</ol>\n");
        secret_wipe(&codes, sizeof(codes));
        page_go(&page, "/account/factors", TEXT_FACTORS_TITLE);
        return page_end(&page, out, err);
}
