/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api_handlers.h"
#include "identity/pages.h"

/* Colours keep a contrast of 4.5 to 1 and more in both schemes (WCAG 2.2, 1.4.3). */
static const char style[] =
        ":root{color-scheme:light "
        "dark;--ink:#16181d;--paper:#fff;--soft:#5a6070;--line:#b6bcc8;--key:#1d4ed8;"
        "--on-key:#fff;--bad:#b3261e}\n"
        "@media(prefers-color-scheme:dark){:root{--ink:#eceef3;--paper:#14161b;--soft:#a8afbf;--line:#"
        "4a5060;"
        "--key:#8fb0ff;--on-key:#0b1020;--bad:#ff9d94}}\n"
        "*{box-sizing:border-box}\n"
        "body{margin:0;font:1rem/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}\n"
        "header,main{max-width:28rem;margin:0 auto;padding:1rem}\n"
        ".product{font-weight:600}\nh1{font-size:1.5rem;line-height:1.25;margin:.5rem 0 1rem}\n"
        ".skip{position:absolute;left:-999rem}.skip:focus{left:1rem;top:1rem}\n"
        ".field{margin:0 0 1rem}label{display:block;font-weight:600}.hint{margin:0;color:var(--soft)}\n"
        "input{width:100%;font:inherit;color:inherit;background:transparent;padding:.5rem;border:1px solid "
        "var(--line);"
        "border-radius:.25rem}\n"
        "button,a.button{display:inline-block;font:inherit;font-weight:600;padding:.5rem 1rem;border:0;"
        "border-radius:.25rem;background:var(--key);color:var(--on-key);text-decoration:none;cursor:pointer}"
        "\n"
        "a{color:var(--key)}:focus-visible{outline:3px solid var(--key);outline-offset:2px}\n"
        ".alert{color:var(--bad);font-weight:600}.small{color:var(--soft);font-size:.875rem}\n"
        ".qr{display:block;width:16rem;max-width:100%}\n"
        "dt{font-weight:600}dd{margin:0 0 .75rem;overflow-wrap:anywhere}\n";

FIBER_FN bool style_get(struct request *req, const struct api_style_get_in *in, struct api_text *out,
                        struct err *err)
{
        (void)in;
        (void)err;
        request_set_header(req, "X-Content-Type-Options", STR("nosniff"));
        out->text = str_make(style, sizeof(style) - 1);
        return true;
}
