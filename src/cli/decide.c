/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signed yes or no. The server is not trusted: the digest is computed here,
 * the rendering is made here from the bytes and held against the server's, and
 * those bytes are what the key signs.
 */
#include "base/base64.h"
#include "cli/actions.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/signing.h"
#include "crypto/dsse.h"
#include "documents/quorum.h"
#include "documents/rendering.h"

#include <stdio.h>

/* What the server shows to others must be what the bytes say. */
static bool check_rendering(const struct rendering *own, const struct json *servers, struct err *err)
{
        if (!servers || servers->type != JSON_ARRAY || servers->count != own->count)
                return err_set(err, ERR_PROOF_INVALID,
                               "the server's rendering has other lines than the statement's bytes give");
        for (unsigned i = 0; i < own->count; i++) {
                const struct json *line = &servers->items[i];
                const struct json *mark = json_get(line, "uninspectable");
                bool uninspectable = mark && mark->type == JSON_BOOL && mark->boolean;

                if (!str_eq(json_get_string(line, "label"), own->lines[i].label) ||
                    !str_eq(json_get_string(line, "value"), own->lines[i].value) ||
                    uninspectable != own->lines[i].uninspectable)
                        return err_set(
                                err, ERR_PROOF_INVALID,
                                "the server's rendering differs from the statement's bytes at \"%.*s\"",
                                STR_ARG(own->lines[i].label));
        }
        return true;
}

/* A server could answer with another action that waits: what is signed is what was named. */
static bool check_asked(struct cli *cli, const struct json *action, struct err *err)
{
        struct str asked = cli_argument(cli, 0);

        if (str_eq(json_get_string(action, "id"), asked))
                return true;
        return err_set(err, ERR_PROOF_INVALID,
                       "the server answers with another action than %.*s; nothing was signed",
                       STR_ARG(asked));
}

static bool check_expected_digest(struct cli *cli, struct str bytes, struct err *err)
{
        struct str expected = cli_value(cli, "digest");
        struct str digest = statement_digest(&cli->arena, bytes);

        if (!expected.ptr || str_eq(expected, digest))
                return true;
        return err_set(err, ERR_PROOF_INVALID,
                       "the action's digest is %.*s, not the one that --digest names", STR_ARG(digest));
}

static bool ask(struct cli *cli, const struct rendering *rendering, enum verdict verdict, struct err *err)
{
        bool uninspectable = false;

        for (unsigned i = 0; i < rendering->count; i++)
                uninspectable |= rendering->lines[i].uninspectable;
        if (verdict == VERDICT_APPROVE && uninspectable && cli_flag(cli, "yes") &&
            !cli_flag(cli, "accept-uninspectable"))
                return err_set(err, ERR_BAD_PARAMETER,
                               "parts of it cannot be inspected; read them, and add --accept-uninspectable");
        if (cli_flag(cli, "yes"))
                return true;
        if (verdict == VERDICT_APPROVE && uninspectable && !cli_flag(cli, "accept-uninspectable") &&
            !out_ask("Parts of it cannot be inspected. Have you read them, and go on?"))
                return err_set(err, ERR_CANCELLED, "nothing was signed");
        if (!out_ask(verdict == VERDICT_APPROVE ? "Approve exactly this?" : "Reject this?"))
                return err_set(err, ERR_CANCELLED, "nothing was signed");
        return true;
}

static bool sign(struct cli *cli, struct str bytes, enum verdict verdict, struct str *ret_body,
                 struct err *err)
{
        _cleanup_(ed25519_key_freep) struct ed25519_key *key = NULL;
        struct str type =
                verdict == VERDICT_APPROVE ? STR(STATEMENT_PAYLOAD_TYPE) : STR(REJECTION_PAYLOAD_TYPE);
        struct dsse_signature signature;
        struct cli_body body;

        if (!signing_file_load(cli, &key, err) || !dsse_sign(&cli->arena, key, type, bytes, &signature, err))
                return false;
        cli_body_begin(&body);
        cli_body_str(&body, "verdict", str_from(verdict_name(verdict)));
        json_key(&body.w, "signature");
        json_object_begin(&body.w);
        json_field_str(&body.w, "keyid", signature.key_id);
        json_key(&body.w, "sig");
        json_base64(&body.w, signature.signature);
        json_object_end(&body.w);
        return cli_body_end(cli, &body, ret_body, err);
}

static void print_result(struct cli *cli, const struct cli_reply *reply, enum verdict verdict)
{
        const struct json *decisions = json_get(&reply->json, "decisions");
        struct str state = json_get_string(&reply->json, "state");
        int64_t needed = 0;

        if (cli->json) {
                out_json(reply);
                return;
        }
        if (!json_get_int(json_get(&reply->json, "requirement"), "decisions", &needed))
                needed = 0;
        printf("\n%s. The action is %.*s", verdict == VERDICT_APPROVE ? "Approved" : "Rejected",
               STR_ARG(out_visible(cli, state)));
        if (str_is(state, "pending") && decisions)
                printf(" with %u of %lld decisions", decisions->count, (long long)needed);
        printf(".\n");
}

static bool decide(struct cli *cli, enum verdict verdict, struct err *err)
{
        struct rendering rendering;
        struct cli_reply action;
        struct cli_reply reply;
        struct str bytes;
        struct str path;
        struct str body;

        if (!action_path(cli, "", &path, err) || !cli_get(cli, &action, err, "%.*s", STR_ARG(path)) ||
            !check_asked(cli, &action.json, err) || !action_statement(cli, &action.json, &bytes, err) ||
            !check_expected_digest(cli, bytes, err) ||
            !rendering_make(&cli->arena, bytes, &rendering, err) ||
            !check_rendering(&rendering, json_get(&action.json, "rendering"), err))
                return false;
        if (!cli->json && !action_print(cli, &action.json, err))
                return false;
        if (!cli->json)
                printf("\n");
        if (!ask(cli, &rendering, verdict, err) || !sign(cli, bytes, verdict, &body, err) ||
            !cli_post(cli, body, &reply, err, "%.*s/decisions", STR_ARG(path)))
                return false;
        print_result(cli, &reply, verdict);
        return true;
}

bool approve_run(struct cli *cli, struct err *err)
{
        return decide(cli, VERDICT_APPROVE, err);
}

bool reject_run(struct cli *cli, struct err *err)
{
        return decide(cli, VERDICT_REJECT, err);
}
