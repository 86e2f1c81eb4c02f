/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands about actions share. */
#pragma once

#include "cli/client.h"

/* "/v1/workspaces/wsp_…/actions/act_…" and `tail`; checks both ids. */
bool action_path(struct cli *cli, const char *tail, struct str *ret, struct err *err) MUST_USE;

/* The action, for people: what it is, the rendering made here from the bytes, decisions, outcome. */
bool action_print(struct cli *cli, const struct json *action, struct err *err) MUST_USE;
/* Without the rendering, or as JSON; and the exit status that its state asks for. */
bool action_answer(struct cli *cli, const struct cli_reply *reply, struct err *err) MUST_USE;

/* "parameters", from the options of the command line, for the operation of the arguments 1 and 2. */
bool action_write_parameters(struct cli *cli, struct json_writer *w, struct err *err) MUST_USE;

/* Waits until the action is in a final state or `timeout_ms` is over (INT64_MAX: for ever). */
BLOCKING_FN bool action_await(struct cli *cli, struct str path, int64_t timeout_ms, struct cli_reply *reply,
                              struct err *err) MUST_USE;
/* `--timeout 10m`; INT64_MAX without. */
bool action_timeout(struct cli *cli, int64_t *ret_ms, struct err *err) MUST_USE;
bool action_is_final(struct str state);

/* The statement's bytes; ERR_PROOF_INVALID unless they have the digest and are about this action. */
bool action_statement(struct cli *cli, const struct json *action, struct str *ret_bytes,
                      struct err *err) MUST_USE;
