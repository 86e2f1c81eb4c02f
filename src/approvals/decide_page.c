/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page where a person decides: what the statement's bytes say, and two
 * buttons that sign a yes or a no with a passkey. What is sent back is counted
 * by the same code as any decision (decide_http.c).
 */
#include "api/api_handlers.h"
#include "api/cell.h"
#include "api/services.h"
#include "approvals/actions_api.h"
#include "approvals/decide_api.h"
#include "approvals/renderings.h"
#include "documents/rendering.h"
#include "identity/passkey_form.h"

struct look {
        struct str id;
        struct action action;
        struct roster roster;
        bool has_roster;
        struct rendering rendering;
        struct passkey keys[PASSKEYS_MAX]; /* the caller's that the roster names, for this server */
        size_t key_count;
};

static bool action_work(struct request *req, void *arg, struct err *err)
{
        struct look *look = arg;

        return action_find(req, look->id, &look->action, err) &&
               approvals_roster(req->tx, &look->roster, &look->has_roster, err);
}

/* ---- whose passkeys count
 * --------------------------------------------------------------------------------- */

/* The roster's word on it: the key is this person's, and signs on the pages of this server. */
static bool counts(const struct request *req, const struct roster *roster, const struct passkey *passkey)
{
        const struct roster_key *key;
        const struct roster_member *member = roster_find_key(roster, passkey->keyid, &key);
        bool here = false;

        if (!member || !member->approver || !str_eq(member->principal, id_str(&req->principal.id)) ||
            key->type != ROSTER_KEY_WEBAUTHN || !str_eq(key->rp_id, webauthn_rp_id(req->services)))
                return false;
        for (unsigned i = 0; i < key->origin_count; i++)
                here |= str_eq(key->origins[i], req->services->url);
        return here;
}

struct keys_look {
        struct request *req;
        struct look *look;
};

static bool keys_work(struct tx *tx, void *arg, struct err *err)
{
        struct keys_look *keys = arg;
        struct look *look = keys->look;
        struct passkey *passkeys;
        size_t count;

        if (!passkey_read_all(tx, id_str(&keys->req->principal.id), &passkeys, &count, err))
                return false;
        for (size_t i = 0; i < count; i++)
                if (counts(keys->req, &look->roster, &passkeys[i]))
                        look->keys[look->key_count++] = passkeys[i];
        return true;
}

/* Passkeys are kept where the person is at home, which may be another region than the action's. */
static FIBER_FN bool load(struct request *req, struct look *look, struct err *err)
{
        const struct cell_ref home = {.tenant = req->tenant, .region = req->principal.region};
        struct keys_look keys = {req, look};

        return request_read(req, action_work, look, err) &&
               (!look->has_roster ||
                cell_read(req->services->store, &home, req->arena, keys_work, &keys, err));
}

/* ---- the page
 * ------------------------------------------------------------------------------------------------ */

static void write_line(struct page *page, enum page_text label, struct str value)
{
        HTML(page, "<dt>");
        page_text(page, label);
        HTML(page, "</dt><dd>{}</dd>\n", value);
}

static void write_rendering(struct page *page, const struct look *look)
{
        HTML(page, "<dl>\n");
        for (unsigned i = 0; i < look->rendering.count; i++) {
                const struct rendering_line *line = &look->rendering.lines[i];

                HTML(page, "<dt>{}</dt><dd{}>{}</dd>\n", line->label,
                     line->uninspectable ? STR(" class=alert") : STR(""), line->value);
        }
        write_line(page, TEXT_DECIDE_DIGEST, look->action.row.digest);
        write_line(page, TEXT_DECIDE_STATE, str_from(action_state_name(look->action.state)));
        HTML(page, "</dl>\n");
}

/* The asker's words, apart: nothing that is signed depends on them. */
static void write_words(struct page *page, const struct look *look)
{
        struct arena *arena = page->req->arena;

        if (!look->action.row.task_name.ptr && !look->action.row.instruction.ptr)
                return;
        HTML(page, "<section aria-labelledby=\"words\"><h2 id=\"words\">");
        page_text(page, TEXT_DECIDE_WORDS);
        HTML(page, "</h2>\n<blockquote>{}</blockquote>\n<blockquote>{}</blockquote></section>\n",
             rendering_visible(arena, look->action.row.task_name),
             rendering_visible(arena, look->action.row.instruction));
}

static void write_form(struct page *page, const struct look *look, const char *path, enum verdict verdict)
{
        struct sha256 challenge;

        dsse_challenge(quorum_payload_type(verdict), look->action.row.statement, &challenge);
        passkey_form_begin(page, &(struct passkey_form){
                                         .action = path,
                                         .challenge = arena_str(page->req->arena, sha256_str(&challenge)),
                                         .keys = look->keys,
                                         .key_count = look->key_count,
                                         .verification = true});
        page_hidden(page, "verdict", str_from(verdict_name(verdict)));
        page_form_end(page, verdict == VERDICT_APPROVE ? TEXT_DECIDE_APPROVE : TEXT_DECIDE_REJECT);
}

static struct str path_of(struct request *req, struct str action)
{
        return arena_printf(req->arena, "/workspaces/%.*s/actions/%.*s", STR_ARG(req->workspace),
                            STR_ARG(action));
}

FIBER_FN bool action_page(struct request *req, const struct api_action_page_in *in, struct api_text *out,
                          struct err *err)
{
        struct look *look = ARENA_NEW(req->arena, struct look);
        struct str path = path_of(req, in->action);
        struct page page;

        if (!look || !arena_check(req->arena, err))
                return arena_check(req->arena, err);
        look->id = in->action;
        if (!load(req, look, err))
                return false;
        /* What is over may have been forgotten but for its digest (data mode). */
        if (look->action.row.statement.ptr &&
            !rendering_make(req->arena, look->action.row.statement, &look->rendering, err))
                return false;
        page_begin(req, TEXT_DECIDE_TITLE, &page);
        write_rendering(&page, look);
        write_words(&page, look);
        if (look->action.state != ACTION_PENDING) {
                page_paragraph(&page, TEXT_DECIDE_OVER);
        } else if (look->key_count == 0) {
                page_paragraph(&page, TEXT_DECIDE_NO_KEY);
        } else {
                write_form(&page, look, path.ptr, VERDICT_APPROVE);
                write_form(&page, look, path.ptr, VERDICT_REJECT);
        }
        return page_end(&page, out, err);
}

/* ---- deciding
 * ---------------------------------------------------------------------------------------------------- */

FIBER_FN bool action_page_decide(struct request *req, const struct api_action_page_decide_in *in,
                                 struct api_text *out, struct err *err)
{
        struct look *look = ARENA_NEW(req->arena, struct look);
        struct str path = path_of(req, in->action);
        struct dsse_signature signature = {.key_id = STR("")};
        struct passkey_answer answer;
        struct api_action action;
        enum verdict verdict;
        struct form form;

        if (!look || !arena_check(req->arena, err))
                return arena_check(req->arena, err);
        look->id = in->action;
        if (!form_read(req, path.ptr, in->body, &form, err) ||
            !passkey_form_answer(req, &form, &answer, err))
                return false;
        if (!verdict_from(form_get(&form, "verdict"), &verdict))
                return err_set_at(err, ERR_BAD_FIELD, "verdict", "a verdict is approve or reject");
        if (!load(req, look, err))
                return false;
        for (size_t i = 0; i < look->key_count; i++)
                if (str_eq(look->keys[i].credential_id, answer.credential_id))
                        signature = (struct dsse_signature){.key_id = look->keys[i].keyid,
                                                            .signature = answer.signature,
                                                            .authenticator_data = answer.authenticator_data,
                                                            .client_data = answer.client_data};
        if (signature.key_id.len == 0)
                return err_set(err, ERR_NOT_ON_ROSTER,
                               "the roster names no such passkey of yours for this server");
        if (!decide_run(req, in->action, verdict, &signature, &action, err))
                return false;
        page_redirect(req, path);
        out->text = STR("");
        return true;
}
