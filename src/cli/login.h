/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging in without an API key: through the browser of this machine (RFC 8252: a listener on the loopback
 * address, PKCE) or of another (RFC 8628: a code). *ret_token is a session's token, in the arena.
 */
#pragma once

#include "cli/client.h"

BLOCKING_FN bool login_browser(struct cli *cli, struct str *ret_token, struct err *err) MUST_USE;
BLOCKING_FN bool login_device(struct cli *cli, struct str *ret_token, struct err *err) MUST_USE;
