/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/pages.h"

#include "api/route.h"
#include "api/services.h"
#include "base/percent.h"

enum { PAGE_MOST_BYTES = 256 * 1024 };

#define POLICY                                                                                              \
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "                  \
        "frame-ancestors 'none'; base-uri 'none'"
#define SCRIPTED_POLICY POLICY "; script-src 'self'; require-trusted-types-for 'script'"

/* ---- the catalogue ------------------------------------------------------------------------------- */

#define TEXT(name, text) [TEXT_##name] = text,
static const char *const english[TEXT_COUNT] = {
#include "identity/pages_text.def"
};
static const char *const german[TEXT_COUNT] = {
#include "identity/pages_text_de.def"
};
#undef TEXT

static const char *const *const languages[] = {english, german};
enum { LANGUAGE_COUNT = sizeof(languages) / sizeof(languages[0]) };

static const char *words(unsigned language, enum page_text text)
{
        const char *found = languages[language][text];

        return found ? found : english[text];
}

/* RFC 9110 section 12.4.2: "q=0.8" as thousandths; 1000 when it is absent, 0 when it is no weight. */
static int weight_of(struct str parameters)
{
        int weight = 1000;
        struct str one;

        while (parameters.len > 0) {
                (void)str_cut(&parameters, ';', &one);
                one = str_trim(one);
                if (one.len < 3 || (one.ptr[0] != 'q' && one.ptr[0] != 'Q') || one.ptr[1] != '=')
                        continue;
                weight = one.ptr[2] == '1' ? 1000 : 0;
                for (size_t i = 4, unit = 100; weight < 1000 && i < one.len && unit > 0; i++, unit /= 10) {
                        if (one.ptr[i] < '0' || one.ptr[i] > '9')
                                return 0;
                        weight += (one.ptr[i] - '0') * (int)unit;
                }
        }
        return weight;
}

/* The language that the browser likes best of those we have; only the primary subtag counts. */
static unsigned choose_language(struct str accepted)
{
        unsigned best = 0;
        int best_weight = 0;
        struct str range;

        while (accepted.len > 0) {
                struct str tag;
                int weight;

                (void)str_cut(&accepted, ',', &range);
                (void)str_cut(&range, ';', &tag);
                weight = weight_of(range);
                tag = str_trim(tag);
                if (str_find(tag, '-') >= 0)
                        tag = str_slice(tag, 0, (size_t)str_find(tag, '-'));
                for (unsigned i = 0; i < LANGUAGE_COUNT; i++)
                        if (weight > best_weight &&
                            str_eq_nocase(tag, str_from(languages[i][TEXT_LANGUAGE]))) {
                                best = i;
                                best_weight = weight;
                        }
        }
        return best;
}

/* ---- the writer ---------------------------------------------------------------------------------- */

/* HTML, section 13.3 "Escaping a string"; control characters have no place in a page at all. */
static void write_escaped(struct buf *html, struct str text)
{
        size_t good = str_utf8_prefix(text);

        for (size_t i = 0; i < good; i++) {
                char c = text.ptr[i];

                if (c == '&')
                        buf_append_c(html, "&amp;");
                else if (c == '<')
                        buf_append_c(html, "&lt;");
                else if (c == '>')
                        buf_append_c(html, "&gt;");
                else if (c == '"')
                        buf_append_c(html, "&quot;");
                else if (c == '\'')
                        buf_append_c(html, "&#39;");
                else if ((unsigned char)c < ' ' && c != '\n' && c != '\t')
                        buf_append_char(html, ' ');
                else
                        buf_append_char(html, c);
        }
        if (good < text.len)
                buf_append_c(html, "\xEF\xBF\xBD");
}

void page_write(struct page *page, const char *markup, const struct str *values, size_t count)
{
        size_t used = 0;

        for (const char *c = markup; *c; c++) {
                if (c[0] == '{' && c[1] == '}') {
                        if (used < count)
                                write_escaped(&page->html, values[++used]);
                        c++;
                } else {
                        buf_append_char(&page->html, *c);
                }
        }
}

void page_text_with(struct page *page, enum page_text text, struct str value)
{
        struct str rest = str_from(words(page->language, text));
        ptrdiff_t at = str_find_str(rest, STR("{}"));

        write_escaped(&page->html, at < 0 ? rest : str_slice(rest, 0, (size_t)at));
        if (at >= 0) {
                /* <bdi>: a name in another direction of writing must not turn the sentence around. */
                buf_append_c(&page->html, "<bdi>");
                write_escaped(&page->html, value);
                buf_append_c(&page->html, "</bdi>");
                write_escaped(&page->html, str_slice(rest, (size_t)at + 2, rest.len));
        }
}

void page_text(struct page *page, enum page_text text)
{
        page_text_with(page, text, STR(""));
}

void page_paragraph(struct page *page, enum page_text text)
{
        HTML(page, "<p>");
        page_text(page, text);
        HTML(page, "</p>\n");
}

void page_alert(struct page *page, enum page_text text)
{
        HTML(page, "<p class=\"alert\" role=\"alert\">");
        page_text(page, text);
        HTML(page, "</p>\n");
}

void page_link(struct page *page, struct str href, enum page_text text, struct str value)
{
        if (!str_starts(href, STR("https://")) && !str_starts(href, STR("http://")) &&
            !page_path_is_ours(href))
                href = STR("/login");
        HTML(page, "<a class=\"button\" href=\"{}\">", href);
        page_text_with(page, text, value);
        HTML(page, "</a>\n");
}

void page_go(struct page *page, const char *path, enum page_text text)
{
        HTML(page, "<p><a href=\"{}\">", str_from(path));
        page_text(page, text);
        HTML(page, "</a></p>\n");
}

/* ---- the frame ----------------------------------------------------------------------------------- */

static void page_open(struct request *req, struct page *ret_page)
{
        *ret_page = (struct page){.req = req,
                                  .language = choose_language(request_header(req, "Accept-Language"))};
        buf_init(&ret_page->html, PAGE_MOST_BYTES);
        ret_page->html.zeroing = req->arena->zeroing; /* a form may carry a one-time link along */
}

static void write_head(struct page *page, enum page_text title)
{
        HTML(page,
             "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
             "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
             str_from(words(page->language, TEXT_LANGUAGE)));
        page_text(page, title);
        HTML(page,
             " – Countersign</title>\n<link rel=\"stylesheet\" href=\"/pages.css\">\n"
             "<link rel=\"icon\" href=\"data:,\">\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">");
        page_text(page, TEXT_SKIP);
        HTML(page, "</a>\n<header><span class=\"product\">Countersign</span></header>\n"
                   "<main id=\"main\" tabindex=\"-1\">\n<h1>");
        page_text(page, title);
        HTML(page, "</h1>\n");
}

void page_begin(struct request *req, enum page_text title, struct page *ret_page)
{
        page_open(req, ret_page);
        write_head(ret_page, title);
}

void page_done(struct page *page)
{
        buf_done(&page->html);
}

void page_security_headers(struct request *req)
{
        /* form-action does not name the issuers: we go there by links and redirects, never by a form. */
        request_set_header(req, "Content-Security-Policy", STR(POLICY));
        request_set_header(req, "X-Content-Type-Options", STR("nosniff"));
        request_set_header(req, "X-Frame-Options", STR("DENY"));
        /* Not no-referrer: with that, browsers send "Origin: null" with our own forms. */
        request_set_header(req, "Referrer-Policy", STR("same-origin"));
        request_set_header(req, "Cross-Origin-Opener-Policy", STR("same-origin"));
        request_set_header(req, "Vary", STR("Accept-Language, Cookie"));
}

void page_script(struct page *page)
{
        if (!page->script)
                HTML(page, "<script src=\"/webauthn.js\" defer></script>\n");
        page->script = true;
}

static bool finish(struct page *page, struct str *ret_html, struct err *err)
{
        bool ok;

        HTML(page, "</main>\n</body>\n</html>\n");
        ok = buf_check(&page->html, "the page", err);
        if (ok) {
                *ret_html = arena_str(page->req->arena, buf_str(&page->html));
                page_security_headers(page->req);
                if (page->script)
                        request_set_header(page->req, "Content-Security-Policy", STR(SCRIPTED_POLICY));
                ok = arena_check(page->req->arena, err);
        }
        page_done(page);
        return ok;
}

bool page_end(struct page *page, struct api_text *out, struct err *err)
{
        return finish(page, &out->text, err);
}

/* ---- refusals ------------------------------------------------------------------------------------- */

static enum page_text advice_for(const struct err *why)
{
        switch (why->code) {
        case ERR_UNAUTHENTICATED:
                return TEXT_ERROR_LOGIN;
        case ERR_SECOND_FACTOR_REQUIRED:
                return TEXT_ERROR_FACTOR;
        case ERR_FORBIDDEN:
                return TEXT_ERROR_FORBIDDEN;
        case ERR_NOT_FOUND:
                return TEXT_ERROR_NOT_FOUND;
        case ERR_RATE_LIMITED:
                return TEXT_ERROR_RATE;
        case ERR_TENANT_SUSPENDED:
                return TEXT_ERROR_SUSPENDED;
        case ERR_UPSTREAM_UNREACHABLE:
        case ERR_UPSTREAM_PROTOCOL:
        case ERR_UPSTREAM_TIMEOUT:
        case ERR_TLS:
                return TEXT_ERROR_UPSTREAM;
        default:
                if (err_status(why->code) == 503)
                        return TEXT_ERROR_BUSY;
                return err_status(why->code) >= 500 ? TEXT_ERROR_OURS : TEXT_ERROR_BAD;
        }
}

/* What a person tells their administrator. */
static void write_request(struct page *page, const struct err *why)
{
        HTML(page, "<p class=\"small\">");
        page_text_with(page, TEXT_ERROR_REQUEST, id_str(&page->req->id));
        HTML(page, " ({})</p>\n", str_from(err_name(why->code)));
}

bool page_refuse(struct page *page, const struct err *why)
{
        struct request *req = page->req;
        struct str html;
        struct err ignored;

        write_request(page, why);
        req->refusal_page = finish(page, &html, &ignored) ? html : STR_NULL;
        return false;
}

/* The page whose form this was, as the browser says (Referrer-Policy: same-origin), when it is one of ours.
 */
static struct str page_before(struct request *req)
{
        struct str page = request_header(req, "Referer");
        struct str url = req->services->url;

        return page_return_to(url.len > 0 && str_starts(page, url) ? str_slice(page, url.len, page.len)
                                                                   : STR(""));
}

static void offer_step_up(struct page *page)
{
        struct str back = percent_encode(page->req->arena, page_before(page->req));

        page_link(page, arena_printf(page->req->arena, STEP_UP_PATH "?return_to=%.*s", STR_ARG(back)),
                  TEXT_STEP_UP_GO, STR_NULL);
}

void page_refusal(struct request *req, const struct err *why, struct buf *ret_html)
{
        struct page page;

        page_begin(req, TEXT_ERROR_TITLE, &page);
        page_alert(&page, strcmp(why->place, "form") == 0 ? TEXT_ERROR_FORM : advice_for(why));
        if (!err_is_internal(why->code) && why->message[0])
                HTML(&page, "<p lang=\"en\">{}</p>\n", str_from(why->message));
        if (why->code == ERR_SECOND_FACTOR_REQUIRED)
                offer_step_up(&page);
        else
                page_link(&page, STR("/login"), TEXT_BACK, STR_NULL);
        write_request(&page, why);
        HTML(&page, "</main>\n</body>\n</html>\n");
        buf_append_str(ret_html, buf_str(&page.html));
        page_security_headers(req);
        page_done(&page);
}
