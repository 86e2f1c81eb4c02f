/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profile: which server, which key, who and where. One JSON file, by
 * default ~/.config/countersign/profile.json ($XDG_CONFIG_HOME is honoured),
 * or $COUNTERSIGN_PROFILE, or --profile. It holds an API key, so it is written
 * with mode 0600 and refused when others can read it.
 *
 * $COUNTERSIGN_SERVER and $COUNTERSIGN_KEY stand over the file, options over both.
 */
#pragma once

#include "cli/cli.h"

/* Where it would be; in the arena. */
bool profile_path(struct cli *cli, struct str *ret_path, struct err *err) MUST_USE;
/*
 * Fills cli->profile from file, environment and options. Without a file the
 * profile has only what the others say.
 */
bool profile_load(struct cli *cli, struct err *err) MUST_USE;
/* Replaces the file at profile->path in one step. */
bool profile_save(const struct profile *profile, struct err *err) MUST_USE;
/* Remembers the roster that was verified, in a profile file of that tenant; options do not enter the file.
 */
bool profile_save_roster(struct cli *cli, int64_t version, struct str digest, struct err *err) MUST_USE;

/* What a command cannot do without; each says how to get it. */
bool profile_need_server(const struct cli *cli, struct err *err) MUST_USE;
bool profile_need_tenant(const struct cli *cli, struct err *err) MUST_USE;
bool profile_need_workspace(const struct cli *cli, struct err *err) MUST_USE;

/* What the API has of the profile's tenant or workspace: tenant_path(cli, "roles/%.*s", …). In the arena. */
struct str tenant_path(struct cli *cli, const char *format, ...) PRINTF_LIKE(2, 3);
struct str workspace_path(struct cli *cli, const char *format, ...) PRINTF_LIKE(2, 3);

/* The whole file; ERR_SYSTEM. With `private`, one that others can read is refused. */
bool file_read(struct arena *arena, struct str path, bool private, size_t cap_bytes, struct str *ret,
               struct err *err) MUST_USE;
/* In one step, durable, mode 0600; its folder is made with 0700. With `fresh`, an existing file is refused.
 */
bool file_write_private(struct str path, struct str bytes, bool fresh, struct err *err) MUST_USE;
