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
        struct sql_outbox_last_row last;
        int64_t seq;
        bool found;

        /* Writes of a cell run one after another, so the next number is one more than the last. */
        if (!sql_outbox_last(tx, &last, &found, err))
                return false;
        seq = last.seq + 1;
        if (!sql_outbox_insert(tx, seq, id_str(&id), str_from(type), subject, now_ms, data_json, err))
                return false;
        if (seq % PRUNE_EVERY == 0 && seq > OUTBOX_KEEP && !sql_outbox_prune(tx, seq - OUTBOX_KEEP, err))
                return false;
        notify_on_commit(tx, subject);
        return true;
}
