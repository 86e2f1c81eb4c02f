/* SPDX-License-Identifier: Apache-2.0 */
#include "approvals/content.h"

#include "base/clock.h"
#include "crypto/sealed.h"
#include "crypto/secret.h"
#include "keys/tenant_keys.h"

#define PART_STATEMENT STR("statement")
#define PART_TASK_NAME STR("task_name")
#define PART_INSTRUCTION STR("instruction")
#define PART_MESSAGE STR("message")

/* An action has one key, for ever. */
enum { CONTENT_KEY_VERSION = 1, KEY_ROW = 3 };

void content_wipe(struct content *content)
{
        secret_wipe(content->key, sizeof(content->key));
}

bool content_is_kept(struct tx *tx, struct str workspace, bool *ret_kept, struct err *err)
{
        struct sql_workspace_data_mode_row row;
        bool found;

        if (!sql_workspace_data_mode(tx, workspace, &row, &found, err))
                return false;
        *ret_kept = found && str_is(row.data_mode, "full");
        return found || err_set(err, ERR_NOT_FOUND, "there is nothing here");
}

static void key_row(struct str action, struct str row[KEY_ROW])
{
        row[0] = STR("action");
        row[1] = action;
        row[2] = STR("content_key");
}

bool content_new(struct tx *tx, struct str action, struct content *ret, struct str *ret_sealed_key,
                 struct err *err)
{
        struct str row[KEY_ROW];

        ret->action = action;
        random_bytes(ret->key, sizeof(ret->key));
        key_row(action, row);
        return tenant_key_seal(tx, row, KEY_ROW, str_make(ret->key, sizeof(ret->key)), ret_sealed_key, err);
}

bool content_of(struct tx *tx, const struct sql_action_get_row *row, struct content *ret, struct err *err)
{
        struct str parts[KEY_ROW], key;
        ARENA_SCOPED secrets;

        arena_init_zeroing(&secrets, 16384);
        key_row(row->id, parts);
        ret->action = row->id;
        if (!row->content_key.ptr)
                return err_set(err, ERR_CONTENT_GONE,
                               "the workspace keeps metadata only: what the action %.*s carried was erased "
                               "when it closed",
                               STR_ARG(row->id));
        if (!tenant_key_open(tx, &secrets, parts, KEY_ROW, row->content_key, &key, err)) {
                /* A lost connection stays what it is: it is worth another try. */
                if (err->code == ERR_BAD_SIGNATURE)
                        err->code = ERR_STORE_FAILED;
                return err_prefix(err, "the key of action %.*s", STR_ARG(row->id));
        }
        if (key.len != sizeof(ret->key))
                return err_set(err, ERR_STORE_FAILED, "the key of action %.*s has %zu bytes",
                               STR_ARG(row->id), key.len);
        memcpy(ret->key, key.ptr, key.len);
        return true;
}

bool content_seal(struct tx *tx, const struct content *content, struct str part, struct str plain,
                  struct str *ret_sealed, struct err *err)
{
        const struct sealed_key key = {SEALED_BY_ACTION, CONTENT_KEY_VERSION, content->key};
        const struct str row[] = {tx_tenant(tx), content->action, part};

        *ret_sealed = STR_NULL;
        return !plain.ptr || sealed_make(tx_arena(tx), &key, row, 3, plain, ret_sealed, err);
}

bool content_open(struct tx *tx, const struct content *content, struct str part, struct str sealed,
                  struct str *ret_plain, struct err *err)
{
        const struct sealed_key key = {SEALED_BY_ACTION, CONTENT_KEY_VERSION, content->key};
        const struct str row[] = {tx_tenant(tx), content->action, part};

        *ret_plain = STR_NULL;
        if (!sealed.ptr || sealed_open(tx_arena(tx), &key, row, 3, sealed, ret_plain, err))
                return true;
        err->code = ERR_STORE_FAILED;
        return err_prefix(err, "the %.*s of action %.*s", STR_ARG(part), STR_ARG(content->action));
}

bool content_open_row(struct tx *tx, struct sql_action_get_row *row, struct err *err)
{
        CONTENT_SCOPED content = {0};

        if (!row->content_key.ptr) {
                row->statement = STR_NULL;
                return true;
        }
        if (!content_of(tx, row, &content, err) ||
            !content_open(tx, &content, PART_STATEMENT, row->statement, &row->statement, err) ||
            !content_open(tx, &content, PART_TASK_NAME, row->task_name, &row->task_name, err) ||
            !content_open(tx, &content, PART_INSTRUCTION, row->instruction, &row->instruction, err))
                return false;
        return !row->sealed_message.ptr ||
               content_open(tx, &content, PART_MESSAGE, row->sealed_message, &row->message, err);
}

bool content_close_rest(struct tx *tx, struct sql_action_get_row *row, struct err *err)
{
        if (row->keeps_content)
                return true;
        row->statement = row->task_name = row->instruction = row->content_key = STR_NULL;
        /* Every piece that was kept is counted in the same transaction. */
        return row->output_kept == 0 || sql_output_delete(tx, row->id, err);
}

bool content_close(struct tx *tx, struct sql_action_get_row *row, struct err *err)
{
        return content_close_rest(tx, row, err) &&
               (row->keeps_content || sql_action_content_delete(tx, row->id, STR_NULL, err));
}

struct str content_output_part(struct tx *tx, int64_t starts_at)
{
        return arena_printf(tx_arena(tx), "output %lld", (long long)starts_at);
}
