/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api_handlers.h"
#include "api/cursor.h"
#include "api/services.h"
#include "base/json_write.h"
#include "identity/identity.h"
#include "identity/pages.h"
#include "identity/sessions.h"
#include "identity/sessions_sql.h"

/* ---- the cookie -------------------------------------------------------------------------------- */

void session_reply_cookie(struct request *req, const struct session_secret *secret)
{
        page_set_cookie(req, SESSION_COOKIE, str_from(secret->text), 0, "Lax");
}

void session_reply_no_cookie(struct request *req)
{
        page_set_cookie(req, SESSION_COOKIE, STR(""), -1, "Lax");
}
