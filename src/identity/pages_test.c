/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/pages.h"

#include "api/request_ops.h"
#include "api/route.h"
#include "api/services.h"
#include "crypto/envelope.h"

#include <stdio.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct world {
        struct request req; /* first */
        struct arena arena;
        struct services services;
        struct envelope *envelope;
        struct err err;
        const char *cookie, *origin, *site, *language;
};

static struct str header(const struct request *req, const char *name)
{
        const struct world *w = (const struct world *)req;

        return strcmp(name, "Cookie") == 0            ? str_from(w->cookie)
               : strcmp(name, "Origin") == 0          ? str_from(w->origin)
               : strcmp(name, "Sec-Fetch-Site") == 0  ? str_from(w->site)
               : strcmp(name, "Accept-Language") == 0 ? str_from(w->language)
                                                      : STR_NULL;
}

static const struct request_ops ops = {.header = header};

static int setup(void **state)
{
        static struct world world;

        world = (struct world){0};
        arena_init(&world.arena, 1 << 20);
        assert_true(envelope_open_ephemeral(&world.envelope, &world.err));
        world.services.envelope = world.envelope;
        world.services.url = STR("https://countersign.example");
        world.req.services = &world.services;
        world.req.arena = &world.arena;
        world.req.ops = &ops;
        world.req.id = id_new("req");
        *state = &world;
        return 0;
}

static int teardown(void **state)
{
        struct world *w = *state;

        envelope_free(w->envelope);
        arena_done(&w->arena);
        return 0;
}

static struct str finished(struct world *w, struct page *page)
{
        struct api_text out;

        assert_true(page_end(page, &out, &w->err));
        return out.text;
}

static bool has(struct str text, const char *part)
{
        return str_find_str(text, str_from(part)) >= 0;
}

static void values_are_escaped(void **state)
{
        struct world *w = *state;
        struct page page;
        struct str text;

        page_begin(&w->req, TEXT_LOGIN_TITLE, &page);
        HTML(&page, "<p title=\"{}\">{}</p>", STR("\"><script>"), STR("<b>'&\x01\xff"));
        page_text_with(&page, TEXT_LOGIN_AT, STR("<i>"));
        text = finished(w, &page);
        assert_true(has(text, "<p title=\"&quot;&gt;&lt;script&gt;\">&lt;b&gt;&#39;&amp; \xEF\xBF\xBD</p>"));
        assert_true(has(text, "<bdi>&lt;i&gt;</bdi>"));
        assert_false(has(text, "<script>"));
}

static const char *sent(const struct world *w, const char *name)
{
        for (unsigned i = 0; i < w->req.header_count; i++)
                if (strcmp(w->req.headers[i].name, name) == 0)
                        return w->req.headers[i].value.ptr;
        return NULL;
}

static void pages_allow_no_script_and_no_frame(void **state)
{
        struct world *w = *state;
        struct page page;

        page_begin(&w->req, TEXT_LOGIN_TITLE, &page);
        (void)finished(w, &page);
        assert_non_null(strstr(sent(w, "Content-Security-Policy"), "default-src 'none'"));
        assert_non_null(strstr(sent(w, "Content-Security-Policy"), "frame-ancestors 'none'"));
        assert_null(strstr(sent(w, "Content-Security-Policy"), "script-src"));
}

static void the_language_is_the_browsers(void **state)
{
        static const struct {
                const char *accept, *lang;
        } cases[] = {
                {NULL, "en"},           {"", "en"},
                {"de", "de"},           {"de-AT,en;q=0.8", "de"},
                {"fr, DE;q=0.5", "de"}, {"de;q=0.1,en", "en"},
                {"de;q=0", "en"},       {"de;q=0.3, en;q=0.30", "de"},
        };
        struct world *w = *state;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct page page;
                char wanted[32];

                w->language = cases[i].accept;
                page_begin(&w->req, TEXT_LOGIN_TITLE, &page);
                (void)snprintf(wanted, sizeof(wanted), "<html lang=\"%s\">", cases[i].lang);
                assert_true(has(finished(w, &page), wanted));
        }
}

/* Each language has all that English says, and a place for a value where English has one. */
static void every_language_says_all(void **state)
{
#define TEXT(name, text) [TEXT_##name] = text,
        static const char *const english[TEXT_COUNT] = {
#include "identity/pages_text.def"
        };
        static const char *const german[TEXT_COUNT] = {
#include "identity/pages_text_de.def"
        };
#undef TEXT

        (void)state;
        for (int i = TEXT_NONE + 1; i < TEXT_COUNT; i++) {
                if (!german[i])
                        fail_msg("not in German: %s", english[i]);
                if (!strstr(english[i], "{}") != !strstr(german[i], "{}"))
                        fail_msg("the place of the value: %s", german[i]);
        }
}

/* A form with its mistake is answered as the refusal that it is, with the request's number. */
static void a_refusal_may_have_a_page_of_its_own(void **state)
{
        struct world *w = *state;
        struct page page;

        page_begin(&w->req, TEXT_LOGIN_TITLE, &page);
        page_field(&page, &(struct page_field){.name = "code",
                                               .label = TEXT_FACTOR_CODE,
                                               .hint = TEXT_FACTOR_CODE_HINT,
                                               .error = TEXT_FACTOR_WRONG});
        assert_false(err_set(&w->err, ERR_UNAUTHENTICATED, "wrong"));
        assert_false(page_refuse(&page, &w->err));
        assert_int_equal(w->err.code, ERR_UNAUTHENTICATED);
        assert_true(has(w->req.refusal_page, "aria-invalid=\"true\" aria-describedby=\"e-code h-code\""));
        assert_true(has(w->req.refusal_page, "(UNAUTHENTICATED)</p>"));
        assert_non_null(sent(w, "Content-Security-Policy"));
        /* One that became too large is answered by the general one. */
        w->req.refusal_page = STR_NULL;
        page_begin(&w->req, TEXT_LOGIN_TITLE, &page);
        for (int i = 0; i < 4000; i++)
                page_paragraph(&page, TEXT_ERROR_FORM);
        assert_false(page_refuse(&page, &w->err));
        assert_null(w->req.refusal_page.ptr);
}

/* The token within a form, and the cookie of the reply as the browser would send it. */
static void make_form(struct world *w, const char *action, char ret_body[256], char ret_cookie[256])
{
        struct page page;
        struct str text;
        ptrdiff_t at;

        page_begin(&w->req, TEXT_LOGIN_TITLE, &page);
        page_form_begin(&page, action);
        page_field(&page,
                   &(struct page_field){.name = "user", .label = TEXT_LOGIN_TENANT, .value = STR("a\"b")});
        page_form_end(&page, TEXT_CONTINUE);
        text = finished(w, &page);
        assert_true(has(text, "value=\"a&quot;b\""));
        at = str_find_str(text, STR("form_token\" value=\""));
        assert_true(at > 0);
        (void)snprintf(ret_body, 256, "user=x%%20y&form_token=%.43s", text.ptr + at + 19);
        if (sent(w, "Set-Cookie"))
                (void)snprintf(ret_cookie, 256, "a=b; %.*s", (int)strcspn(sent(w, "Set-Cookie"), ";"),
                               sent(w, "Set-Cookie"));
}

static void a_form_is_read_only_where_it_was_made(void **state)
{
        struct world *w = *state;
        char body[256];
        char cookie[256];
        char other[256];
        struct form form;

        make_form(w, "/login", body, cookie);
        assert_non_null(strstr(cookie, "__Host-countersign-form="));
        w->cookie = cookie;
        assert_true(form_read(&w->req, "/login", str_from(body), &form, &w->err));
        assert_true(str_is(form_get(&form, "user"), "x y"));
        assert_null(form_get(&form, "nothing").ptr);

        assert_false(form_read(&w->req, "/logout", str_from(body), &form, &w->err));
        assert_int_equal(w->err.code, ERR_FORBIDDEN);
        w->origin = "https://evil.example";
        assert_false(form_read(&w->req, "/login", str_from(body), &form, &w->err));
        w->origin = "null";
        assert_false(form_read(&w->req, "/login", str_from(body), &form, &w->err));
        w->origin = "https://countersign.example";
        assert_true(form_read(&w->req, "/login", str_from(body), &form, &w->err));
        w->site = "same-site";
        assert_false(form_read(&w->req, "/login", str_from(body), &form, &w->err));
        w->site = "same-origin";
        assert_true(form_read(&w->req, "/login", str_from(body), &form, &w->err));

        w->cookie = NULL;
        assert_false(form_read(&w->req, "/login", str_from(body), &form, &w->err));
        w->req.header_count = 0;
        make_form(w, "/login", other, cookie); /* another browser's */
        w->cookie = cookie;
        assert_false(form_read(&w->req, "/login", str_from(body), &form, &w->err));
        (void)snprintf(other, sizeof(other), "%s; %s", cookie + 5, cookie + 5);
        w->cookie = other; /* twice: which is meant? */
        assert_false(form_read(&w->req, "/login", str_from(body), &form, &w->err));
}

static void malformed_forms_are_refused(void **state)
{
        static const char *const bad[] = {"a=1&a=2", "a=%zz", "a=%00", "%ff=1", "a=%"};
        struct world *w = *state;
        struct form form;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                assert_false(form_parse(&w->arena, str_from(bad[i]), &form, &w->err));
                assert_int_equal(w->err.code, ERR_BAD_REQUEST);
        }
        assert_true(form_parse(&w->arena, STR("a&b=&&c=1+2"), &form, &w->err));
        assert_int_equal(form.count, 3);
        assert_true(str_is(form_get(&form, "c"), "1 2"));
}

static void only_our_own_paths_are_gone_to(void **state)
{
        static const char *const good[] = {"/account", "/account/sessions", "/device?user_code=AB-CD",
                                           "/login?tenant=a%20b"};
        static const char *const bad[] = {
                "",
                "//evil.example",
                "/\\evil.example",
                "https://evil.example",
                "/account/../v1",
                "/account//evil",
                "/accountant",
                "account",
                "/v1/tenants",
                "/account\r\nSet-Cookie: a=b",
                "javascript:alert(1)",
                "/account@evil.example",
                "/account/%2e%2e/x",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                assert_true(page_path_is_ours(str_from(good[i])));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                assert_false(page_path_is_ours(str_from(bad[i])));
                assert_true(str_is(page_return_to(str_from(bad[i])), "/account"));
        }
}

static void a_refusal_says_what_to_do_and_hides_our_inside(void **state)
{
        struct world *w = *state;
        struct err why;
        BUF_SCOPED html;

        buf_init(&html, 65536);
        (void)err_set(&why, ERR_STORE_FAILED, "disk <7> is gone");
        page_refusal(&w->req, &why, &html);
        assert_true(has(buf_str(&html), w->req.id.text));
        assert_false(has(buf_str(&html), "disk"));
        buf_reset(&html);
        (void)err_set(&why, ERR_NOT_FOUND, "no <tenant>");
        page_refusal(&w->req, &why, &html);
        assert_true(has(buf_str(&html), "no &lt;tenant&gt;"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(values_are_escaped, setup, teardown),
                cmocka_unit_test_setup_teardown(pages_allow_no_script_and_no_frame, setup, teardown),
                cmocka_unit_test_setup_teardown(the_language_is_the_browsers, setup, teardown),
                cmocka_unit_test_setup_teardown(every_language_says_all, setup, teardown),
                cmocka_unit_test_setup_teardown(a_refusal_may_have_a_page_of_its_own, setup, teardown),
                cmocka_unit_test_setup_teardown(a_form_is_read_only_where_it_was_made, setup, teardown),
                cmocka_unit_test_setup_teardown(malformed_forms_are_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(only_our_own_paths_are_gone_to, setup, teardown),
                cmocka_unit_test_setup_teardown(a_refusal_says_what_to_do_and_hides_our_inside, setup,
                                                teardown),
        };

        return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}
