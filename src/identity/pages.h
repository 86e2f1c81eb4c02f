/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages for people: HTML that the server writes itself, without any script.
 *
 * An operation that answers with a page has the tag `pages` first in
 * api/openapi.yaml, the reply `text/html`, and looks like this:
 *
 *   struct page page;
 *
 *   page_begin(req, TEXT_LOGIN_TITLE, &page);
 *   HTML(&page, "<p class=\"note\">{}</p>", name);      what is in {} is escaped, always
 *   page_form_begin(&page, "/login/local");            with the CSRF token
 *   page_field(&page, &(struct page_field){.name = "password", .label = TEXT_PASSWORD, …});
 *   page_form_end(&page, TEXT_SIGN_IN);
 *   return page_end(&page, out, err);
 *
 * An operation with this tag that fails answers with a page too, made from the
 * error by the pipeline (page_refusal).
 *
 * Headers of every page: a Content-Security-Policy that allows nothing but our
 * own style sheet, no framing, no referrer to others, no sniffing.
 *
 * Words come from the catalogue: pages_text.def for English, which has all, and
 * pages_text_<language>.def beside it; Accept-Language chooses (RFC 9110
 * section 12.5.4), and what a language lacks is shown in English. The place for
 * a value within a text is {}.
 */
#pragma once

#include "api/request.h"
#include "base/buf.h"

enum page_text {
#define TEXT(name, text) TEXT_##name,
#include "identity/pages_text.def"
#undef TEXT
        TEXT_COUNT,
};

struct page {
        struct request *req;
        struct buf html;
        unsigned language;
        const char *form; /* action of the form that is open */
        bool script;      /* it brings /webauthn.js */
};

/* Starts the page; its title is the heading too. page_end or page_done must follow. */
void page_begin(struct request *req, enum page_text title, struct page *ret_page);
/* Finishes it into `out`, and sets the headers. */
struct api_text;
bool page_end(struct page *page, struct api_text *out, struct err *err) MUST_USE;
/* Gives up; only where page_end is not reached. */
void page_done(struct page *page);
/*
 * Finishes it as the page of the refusal `why`, instead of the general one: a form once more, with the
 * mistake at its field. False, always, so that a handler returns it; the refusal is answered and logged as
 * any other.
 */
bool page_refuse(struct page *page, const struct err *why) MUST_USE;

/*
 * Markup with values: `markup` is a literal, each {} in it is replaced by the
 * next struct str, escaped for text and for attributes in double quotes.
 */
#define HTML(page, markup, ...)                                                                             \
        page_write((page), "" markup, (const struct str[]){STR(""), ##__VA_ARGS__},                         \
                   sizeof((const struct str[]){STR(""), ##__VA_ARGS__}) / sizeof(struct str) - 1)
/* Behind HTML: values[1] … values[count]. */
void page_write(struct page *page, const char *markup, const struct str *values, size_t count);

/* The words in the page's language; {} is filled by `value`, escaped. */
void page_text(struct page *page, enum page_text text);
void page_text_with(struct page *page, enum page_text text, struct str value);
/* <p>…</p> with the words. */
void page_paragraph(struct page *page, enum page_text text);
/* A message that a screen reader announces at once (WAI-ARIA role alert): what went wrong in a form. */
void page_alert(struct page *page, enum page_text text);
/* <a href>, for paths of ours (page_path_is_ours) and https:// URLs that the caller vouches for. */
void page_link(struct page *page, struct str href, enum page_text text, struct str value);

/* A paragraph with a plain link to a page of ours, as for going on. */
void page_go(struct page *page, const char *path, enum page_text text);

/* ---- forms ------------------------------------------------------------------------------------- */

struct page_field {
        const char *name;
        enum page_text label;
        const char *type; /* "text", "password", …; NULL: "text" */
        const char
                *autocomplete; /* HTML's autofill names: "username", "current-password", "one-time-code" */
        const char *inputmode; /* "numeric", …; NULL: none */
        struct str value;      /* never for passwords */
        enum page_text hint;   /* TEXT_NONE: none */
        enum page_text error;  /* TEXT_NONE: none; ties the message to the field */
        bool required;
        bool focus;
        unsigned max_length; /* 0: 512 */
};

/* Which browser this is: a hash of the cookie that its forms go with, set by this reply if it has none. */
struct str page_browser(struct request *req);
/* The script that asks the browser for a passkey, /webauthn.js: the only one there is. */
void page_script(struct page *page);
/* A form by POST to a path of ours; with its CSRF token, whose cookie goes with the reply. */
void page_form_begin(struct page *page, const char *action);
void page_field(struct page *page, const struct page_field *field);
void page_hidden(struct page *page, const char *name, struct str value);
/* A button within the form; `value` {NULL, 0}: only the button that submits. */
void page_button(struct page *page, enum page_text text, const char *name, struct str value);
/* The same, where {} in the words is filled by `which`: several buttons of a page must not have one name. */
void page_button_with(struct page *page, enum page_text text, struct str which, const char *name,
                      struct str value);
/* With one last button that submits; TEXT_NONE: without. */
void page_form_end(struct page *page, enum page_text submit);

enum { FORM_FIELDS_MAX = 24 };

/* What came in a form, decoded. Lives in the request's arena. */
struct form {
        size_t count;
        struct form_value {
                struct str name;
                struct str value;
        } values[FORM_FIELDS_MAX];
};

/*
 * Reads application/x-www-form-urlencoded, and refuses the form unless it was
 * made by page_form_begin for this browser and this action: its token must fit
 * the browser's cookie, and what the browser says of its origin must be ours.
 * BAD_REQUEST when malformed or a field comes twice; FORBIDDEN when it is not ours.
 */
bool form_read(struct request *req, const char *action, struct str body, struct form *ret,
               struct err *err) MUST_USE;
/* Only the reading, for bodies of programs (RFC 6749 section 4.4.2), where no browser is. */
bool form_parse(struct arena *arena, struct str body, struct form *ret, struct err *err) MUST_USE;
/* The value, or {NULL, 0}. */
struct str form_get(const struct form *form, const char *name);

/* ---- where to go on ------------------------------------------------------------------------------ */

/*
 * Whether a path is a page of ours that a person may be sent to afterwards:
 * one of the known pages, with an optional query; never another host, whatever
 * a browser makes of slashes, backslashes and control characters.
 */
bool page_path_is_ours(struct str path);
/* 303 See Other to a path of ours or an absolute URL that the caller vouches for; the reply has no body. */
void page_redirect(struct request *req, struct str location);
/* The path if it is ours, else "/account". */
struct str page_return_to(struct str path);
/* Where an open session shows its second factor again, and goes on to ?return_to=. */
#define STEP_UP_PATH "/account/step-up"

/* ---- cookies and headers --------------------------------------------------------------------------- */

/*
 * A cookie for the whole host that no script reads, `__Host-<name>` over TLS
 * (RFC 6265bis section 4.1.3.2). Without TLS, on a laptop, browsers refuse that
 * prefix; there it is plain <name>. max_age_s 0: as long as the browser is open;
 * below 0: taken back. `same_site`: "Lax" or "Strict".
 */
void page_set_cookie(struct request *req, const char *name, struct str value, int64_t max_age_s,
                     const char *same_site);
/* The cookie's value or {NULL, 0}; one that comes twice counts as none. */
struct str page_cookie(const struct request *req, const char *name);

enum { PAGE_HEADERS = 6 };
/* The headers of every page, for replies that are made elsewhere. */
void page_security_headers(struct request *req);

/* ---- errors ---------------------------------------------------------------------------------------- */

/* The page for a refusal: what happened, what to do, and the request's id. Sets the headers. */
void page_refusal(struct request *req, const struct err *why, struct buf *ret_html);
