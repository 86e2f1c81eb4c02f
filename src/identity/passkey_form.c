/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/passkey_form.h"

#include "api/api_handlers.h"
#include "base/base64.h"

enum { IDS_MOST_BYTES = 64 * 1024 };

/* Nothing of it runs on a page that does not ask for a passkey. */
static const char script[] =
        "\"use strict\";\n"
        "(() => {\n"
        "  const decode = (text) => Uint8Array.from(atob(text.replace(/-/g, \"+\").replace(/_/g, \"/\")),\n"
        "                                          (c) => c.charCodeAt(0));\n"
        "  const encode = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))\n"
        "    .replace(/\\+/g, \"-\").replace(/\\//g, \"_\").replace(/=+$/, \"\");\n"
        "  const keys = (text) => text.split(\" \").filter(Boolean)\n"
        "    .map((id) => ({type: \"public-key\", id: decode(id)}));\n"
        "  const create = async (data) => {\n"
        "    const made = await navigator.credentials.create({publicKey: {\n"
        "      challenge: decode(data.challenge), rp: {id: data.rp, name: \"Countersign\"},\n"
        "      user: {id: new TextEncoder().encode(data.user), name: data.name, displayName: data.name},\n"
        "      pubKeyCredParams: [-7, -8, -257].map((alg) => ({type: \"public-key\", alg})),\n"
        "      excludeCredentials: keys(data.keys), attestation: \"none\",\n"
        "      authenticatorSelection: {residentKey: \"preferred\", userVerification: \"preferred\"}}});\n"
        "    return {attestation: encode(made.response.attestationObject),\n"
        "            client_data: encode(made.response.clientDataJSON)};\n"
        "  };\n"
        "  const get = async (data) => {\n"
        "    const given = await navigator.credentials.get({publicKey: {\n"
        "      challenge: decode(data.challenge), rpId: data.rp, allowCredentials: keys(data.keys),\n"
        "      userVerification: data.verification}});\n"
        "    const answer = given.response;\n"
        "    return {credential: encode(given.rawId), authenticator_data: "
        "encode(answer.authenticatorData),\n"
        "            client_data: encode(answer.clientDataJSON), signature: encode(answer.signature),\n"
        "            user_handle: answer.userHandle ? encode(answer.userHandle) : \"\"};\n"
        "  };\n"
        "  for (const place of document.querySelectorAll(\"[data-webauthn]\")) {\n"
        "    const form = place.closest(\"form\");\n"
        "    let done = false;\n"
        "    form.addEventListener(\"submit\", async (event) => {\n"
        "      if (done) return;\n"
        "      event.preventDefault();\n"
        "      const problem = form.querySelector(\"[data-webauthn-error]\");\n"
        "      problem.hidden = true;\n"
        "      try {\n"
        "        const fields = await (place.dataset.webauthn === \"create\" ? create : "
        "get)(place.dataset);\n"
        "        for (const [name, value] of Object.entries(fields)) form.elements[name].value = value;\n"
        "        done = true;\n"
        "        form.requestSubmit(event.submitter);\n"
        "      } catch (why) {\n"
        "        problem.hidden = false;\n"
        "      }\n"
        "    });\n"
        "  }\n"
        "})();\n";

FIBER_FN bool script_get(struct request *req, const struct api_script_get_in *in, struct api_text *out,
                         struct err *err)
{
        (void)in;
        (void)err;
        request_set_header(req, "X-Content-Type-Options", STR("nosniff"));
        out->text = str_make(script, sizeof(script) - 1);
        return true;
}

static void write_fields(struct page *page, bool creates)
{
        static const char *const answer[] = {"credential", "authenticator_data", "client_data",
                                             "signature",  "user_handle",        NULL};
        static const char *const made[] = {"attestation", "client_data", NULL};

        for (const char *const *name = creates ? made : answer; *name; name++)
                page_hidden(page, *name, STR(""));
}

void passkey_form_begin(struct page *page, const struct passkey_form *form)
{
        struct request *req = page->req;
        bool creates = form->user_handle.ptr != NULL;
        BUF_SCOPED ids;

        buf_init(&ids, IDS_MOST_BYTES);
        for (size_t i = 0; i < form->key_count; i++) {
                if (i > 0)
                        buf_append_char(&ids, ' ');
                base64url_append(&ids, form->keys[i].credential_id);
        }
        page_form_begin(page, form->action);
        HTML(page,
             "<div data-webauthn=\"{}\" data-challenge=\"{}\" data-rp=\"{}\" data-keys=\"{}\" "
             "data-verification=\"{}\" data-user=\"{}\" data-name=\"{}\">\n",
             creates ? STR("create") : STR("get"), base64url_encode(req->arena, form->challenge),
             webauthn_rp_id(req->services), buf_str(&ids),
             form->verification ? STR("required") : STR("preferred"), form->user_handle, form->user_name);
        write_fields(page, creates);
        HTML(page, "</div>\n<p class=\"alert\" role=\"alert\" data-webauthn-error hidden>");
        page_text(page, TEXT_PASSKEY_FAILED);
        HTML(page, "</p>\n<noscript><p>");
        page_text(page, TEXT_PASSKEY_SCRIPT);
        HTML(page, "</p></noscript>\n");
        page_script(page);
}

bool passkey_form_part(struct request *req, const struct form *form, const char *name, size_t most,
                       bool required, struct str *ret, struct err *err)
{
        struct str text = form_get(form, name);

        *ret = STR("");
        if (text.len == 0 && !required)
                return true;
        if (text.len > 0 && text.len <= 2 * most && base64url_decode(req->arena, text, ret) &&
            ret->len <= most)
                return true;
        return err_set_at(err, ERR_BAD_FIELD, name, "the passkey's answer is not in its form");
}

bool passkey_form_answer(struct request *req, const struct form *form, struct passkey_answer *ret,
                         struct err *err)
{
        return passkey_form_part(req, form, "credential", WEBAUTHN_CREDENTIAL_ID_MAX, true,
                                 &ret->credential_id, err) &&
               passkey_form_part(req, form, "authenticator_data", WEBAUTHN_AUTHENTICATOR_DATA_MAX, true,
                                 &ret->authenticator_data, err) &&
               passkey_form_part(req, form, "client_data", WEBAUTHN_CLIENT_DATA_MAX, true, &ret->client_data,
                                 err) &&
               passkey_form_part(req, form, "signature", WEBAUTHN_SIGNATURE_MAX, true, &ret->signature,
                                 err) &&
               passkey_form_part(req, form, "user_handle", 64, false, &ret->user_handle, err);
}
