/* SPDX-License-Identifier: Apache-2.0 */
/* The tamper-evident log: taking it away, and checking it with nothing but the file and a public key. */
#include "log/audit.h"

#include "base/base64.h"
#include "base/id.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/profile.h"
#include "io/http_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RECEIPT_MAX_BYTES = 16 * 1024 * 1024, KEY_MAX_BYTES = 4096 };

/* ---- taking it away ---- */

static bool copy_stream(struct http_stream *stream, FILE *file, uint64_t *ret_bytes, struct err *err)
{
        char bytes[65536];
        size_t len = 1;

        *ret_bytes = 0;
        while (len > 0) {
                if (!http_stream_read(stream, bytes, sizeof(bytes), &len, err))
                        return false;
                if (fwrite(bytes, 1, len, file) != len)
                        return err_set_errno(err, ERR_SYSTEM, errno, "writing the export");
                *ret_bytes += len;
        }
        if (fflush(file) != 0)
                return err_set_errno(err, ERR_SYSTEM, errno, "writing the export");
        return true;
}

bool audit_export_run(struct cli *cli, struct err *err)
{
        _cleanup_(http_stream_closep) struct http_stream *stream = NULL;
        struct str path = cli_value(cli, "out");
        FILE *file = stdout;
        uint64_t bytes = 0;
        bool ok;

        if (!profile_need_tenant(cli, err) ||
            !cli_stream(cli, tenant_path(cli, "log/export"), NULL, STR_NULL, &stream, err))
                return false;
        if (path.ptr) {
                file = fopen(path.ptr, "wxe");
                if (!file)
                        return err_set_errno(err, ERR_SYSTEM, errno, "%s", path.ptr);
        }
        ok = copy_stream(stream, file, &bytes, err);
        if (path.ptr && fclose(file) != 0 && ok)
                ok = err_set_errno(err, ERR_SYSTEM, errno, "%s", path.ptr);
        /* Half an export would look like a log that was tampered with. */
        if (path.ptr && !ok)
                unlink(path.ptr);
        if (ok && path.ptr && !cli->json)
                printf("%llu bytes written to %s\n", (unsigned long long)bytes, path.ptr);
        return ok;
}

bool audit_key_run(struct cli *cli, struct err *err)
{
        static const struct out_column fields[] = {
                {"key", "key", 0}, {"origin", "origin", 0}, {"epoch", "epoch", 0}, {NULL, NULL, 0}};
        struct cli_reply reply;

        if (!profile_need_tenant(cli, err) ||
            !cli_get(cli, &reply, err, "%.*s", STR_ARG(tenant_path(cli, "log/key"))))
                return false;
        if (cli_flag(cli, "bare"))
                printf("%.*s\n", STR_ARG(out_visible(cli, json_get_string(&reply.json, "key"))));
        else
                out_record(cli, &reply, fields);
        return true;
}

bool audit_entries_run(struct cli *cli, struct err *err)
{
        static const struct out_column columns[] = {
                {"index", "index", 0},
                {"time", "event.time", 0},
                {"operation", "event.api.operation", 0},
                {"disposition", "event.disposition", 0},
                {"status", "event.status_code", 0},
                {"who", "event.actor.user.uid", 0},
                {NULL, NULL, 0},
        };

        return profile_need_tenant(cli, err) &&
               out_list(cli, tenant_path(cli, "log/entries"), STR(""), columns, "The log is empty.", err);
}

/* ---- checking it ---- */

/* From --key or --key-file; never from what is being checked. */
static bool read_key(struct cli *cli, struct str *ret, struct err *err)
{
        struct str file = cli_value(cli, "key-file");

        *ret = cli_value(cli, "key");
        if (ret->ptr)
                return true;
        if (!file.ptr)
                return err_set(err, ERR_BAD_PARAMETER,
                               "whose log? --key VKEY, or --key-file FILE; `countersign audit key --bare` "
                               "prints it, and it should come to you another way than the file");
        if (!file_read(&cli->arena, file, false, KEY_MAX_BYTES, ret, err))
                return false;
        *ret = str_trim(*ret);
        return true;
}

static bool verify_entry(struct cli *cli, struct str action, const struct json *entry, struct str key,
                         struct audit_receipt *ret, struct err *err)
{
        struct str bytes;

        if (!base64_decode(&cli->arena, json_get_string(entry, "event"), &bytes))
                return err_set(err, ERR_PROOF_INVALID, "the event is not base64");
        if (str_find_str(bytes, action) < 0)
                return err_set(err, ERR_PROOF_INVALID, "the event is not about %.*s", STR_ARG(action));
        return audit_verify_receipt(bytes, json_get_string(entry, "proof"), key, ret, err);
}

static bool verify_receipt(struct cli *cli, const struct json *receipt, struct str key, struct err *err)
{
        const struct json *entries = json_get(receipt, "entries");
        struct str action = json_get_string(receipt, "action");
        struct audit_receipt last = {0};

        if (!entries || entries->type != JSON_ARRAY || entries->count == 0)
                return err_set(err, ERR_PROOF_INVALID, "the receipt holds no entries");
        /* Any other piece of an entry's text would be found in it too. */
        if (!id_is(action, "act"))
                return err_set(err, ERR_PROOF_INVALID, "the receipt names no action");
        for (uint32_t i = 0; i < entries->count; i++)
                if (!verify_entry(cli, action, &entries->items[i], key, &last, err))
                        return err_prefix(err, "entry %u of the receipt", i + 1);
        if (cli->json) {
                printf("{\"verified\":\"receipt\",\"action\":\"%.*s\",\"entries\":%u,\"size\":%llu}\n",
                       STR_ARG(action), entries->count, (unsigned long long)last.size);
                return true;
        }
        printf("The receipt holds: all %u entries about %.*s are in the log\n%s\nas it was signed at size "
               "%llu.\n",
               entries->count, STR_ARG(action), last.origin, (unsigned long long)last.size);
        return true;
}

static bool verify_export(struct cli *cli, FILE *file, struct str key, struct err *err)
{
        struct audit_input input = audit_input_file(file);
        struct audit_report report;
        char root[SHA256_HEX_SIZE];

        if (!audit_verify_export(&input, key, &report, err))
                return false;
        sha256_format(&report.root, root);
        if (cli->json) {
                printf("{\"verified\":\"export\",\"size\":%llu,\"root\":\"%s\"}\n",
                       (unsigned long long)report.size, root);
                return true;
        }
        printf("The export holds: all %llu entries are what the log\n%s\nsigned, root %s.\n",
               (unsigned long long)report.size, report.origin, root);
        return true;
}

/* A receipt is one JSON object with an action; everything else is taken for an export. */
static bool as_receipt(struct cli *cli, struct str path, struct json *ret)
{
        struct err ignored;
        struct str text;

        return file_read(&cli->arena, path, false, RECEIPT_MAX_BYTES, &text, &ignored) &&
               json_parse(&cli->arena, text, ret, &ignored) && json_get(ret, "action") &&
               json_get(ret, "entries");
}

bool audit_verify_run(struct cli *cli, struct err *err)
{
        struct str path = cli_argument(cli, 0);
        struct json receipt;
        struct str key;
        FILE *file;
        bool ok;

        if (!read_key(cli, &key, err))
                return false;
        if (as_receipt(cli, path, &receipt))
                return verify_receipt(cli, &receipt, key, err) || err_prefix(err, "%s", path.ptr);
        file = fopen(path.ptr, "re");
        if (!file)
                return err_set_errno(err, ERR_SYSTEM, errno, "%s", path.ptr);
        ok = verify_export(cli, file, key, err) || err_prefix(err, "%s", path.ptr);
        fclose(file);
        return ok;
}
