/* SPDX-License-Identifier: Apache-2.0 */
#include "api/outbox.h"

#include "api/notify.h"
#include "api/outbox_sql.h"
#include "base/id.h"

bool outbox_append(struct tx *tx, const char *type, struct str subject, struct str data_json, int64_t now_ms,
                   struct err *err)
{
        enum { PRUNE_EVERY = 256 };
        struct id id = id_new("evt");
        struct sql_outbox_append_row row;
        bool found;

        if (!sql_outbox_append(tx, id_str(&id), str_from(type), subject, now_ms, data_json, &row, &found,
                               err))
                return false;
        if (row.seq % PRUNE_EVERY == 0 && row.seq > OUTBOX_KEEP &&
            !sql_outbox_prune(tx, row.seq - OUTBOX_KEEP, err))
                return false;
        notify_on_commit(tx, subject);
        return true;
}
