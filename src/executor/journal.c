/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/journal.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/json.h"
#include "base/json_write.h"
#include "executor/journal_memory.h"

#include <pthread.h>

/* Enough for one line's tree: base64 text and its bytes. */
enum { LINE_ARENA_BYTES = 4 * JOURNAL_LINE_MAX_BYTES };

struct journal {
        pthread_mutex_t lock; /* all below */
        struct journal_file file;
        struct journal_memory memory;
        off_t kept_end;     /* the file begins with lines `kept` up to here */
        struct arena arena; /* of the line at hand */
};

/* ---- reading ------------------------------------------------------------------------------------ */

static bool decode(struct journal *journal, const struct json *line, const char *key, struct str *ret,
                   struct err *err)
{
        if (!base64_decode(&journal->arena, json_get_string(line, key), ret))
                return err_set(err, ERR_STORE_FAILED, "\"%s\" is not base64", key);
        return true;
}

static bool read_begun(struct journal *journal, const struct json *line, struct err *err)
{
        struct journal_entry entry = {
                .action = json_get_string(line, "action"),
                .claim = json_get_string(line, "claim"),
                .digest = json_get_string(line, "digest"),
        };

        if (!json_get_int(line, "begun_ms", &entry.begun_ms))
                return err_set(err, ERR_STORE_FAILED, "\"begun_ms\" is missing");
        return decode(journal, line, "statement", &entry.statement, err) &&
               memory_begun(&journal->memory, &entry, err);
}

static bool read_done(struct journal *journal, const struct json *line, struct err *err)
{
        struct journal_result result = {
                .action = json_get_string(line, "action"),
                .claim = json_get_string(line, "claim"),
                .digest = json_get_string(line, "digest"),
                .report = json_get_string(line, "report"),
                .outcome = json_get_string(line, "outcome"),
        };
        const struct json *open = json_get(line, "open");
        int64_t ended_ms;

        if (!open || open->type != JSON_BOOL || !json_get_int(line, "at_ms", &ended_ms))
                return err_set(err, ERR_STORE_FAILED, "\"open\" or \"at_ms\" is missing");
        result.open = open->boolean;
        return memory_ended(&journal->memory, &result, ended_ms, err);
}

static bool read_kept(struct journal *journal, const struct json *line, struct err *err)
{
        /* Only a head of such lines is taken over as it is; a later one cannot be, and none is written. */
        if (journal->memory.first || journal->memory.closed)
                return err_set(err, ERR_STORE_FAILED, "a line \"kept\" after others");
        journal->kept_end = journal->file.length;
        return memory_see(&journal->memory, json_get_string(line, "action"), json_get_string(line, "digest"),
                          err);
}

static bool read_line(void *arg, struct str text, unsigned number, struct err *err)
{
        struct journal *journal = arg;
        struct str kind, action;
        struct json line;

        (void)number;
        arena_reset(&journal->arena);
        if (!json_parse(&journal->arena, text, &line, err))
                return false;
        kind = json_get_string(&line, "kind");
        action = json_get_string(&line, "action");
        if (!id_is(action, "act"))
                return err_set(err, ERR_STORE_FAILED, "\"action\" is not an action's id");
        if (str_is(kind, "claiming"))
                return memory_claiming(&journal->memory, action, err);
        if (str_is(kind, "begun"))
                return read_begun(journal, &line, err);
        if (str_is(kind, "done"))
                return read_done(journal, &line, err);
        if (str_is(kind, "reported"))
                memory_reported(&journal->memory, action);
        else if (str_is(kind, "no_claim"))
                memory_no_claim(&journal->memory, action);
        else if (str_is(kind, "kept"))
                return read_kept(journal, &line, err);
        else
                return err_set(err, ERR_STORE_FAILED,
                               "its kind \"%.*s\" is not known; a newer version may have written it",
                               STR_ARG(kind));
        return true;
}

bool journal_create(const char *dir, const struct journal_io *io, struct err *err)
{
        struct journal *journal = NULL;

        if (journal_file_create(dir, io, err))
                return true;
        if (err->code != ERR_ALREADY_EXISTS)
                return false;
        /* An enrolment that was cut off has left it, or an executor whose history must be kept. */
        err_clear(err);
        if (!journal_open(dir, io, &journal, err))
                return false;
        journal_close(journal);
        return true;
}

bool journal_open(const char *dir, const struct journal_io *io, struct journal **ret, struct err *err)
{
        struct journal *journal = heap_alloc_zeroed(1, sizeof(*journal));

        if (!journal)
                return err_set(err, ERR_NO_MEMORY, "no memory for the journal");
        pthread_mutex_init(&journal->lock, NULL);
        arena_init(&journal->arena, LINE_ARENA_BYTES);
        journal->file.fd = -1;
        journal->kept_end = JOURNAL_HEADER_BYTES;
        if (!journal_file_open(&journal->file, dir, io, read_line, journal, err)) {
                journal_close(journal);
                return false;
        }
        arena_done(&journal->arena);
        *ret = journal;
        return true;
}

void journal_close(struct journal *journal)
{
        if (!journal)
                return;
        journal_file_close(&journal->file);
        memory_done(&journal->memory);
        arena_done(&journal->arena);
        pthread_mutex_destroy(&journal->lock);
        heap_free(journal);
}

/* ---- writing ------------------------------------------------------------------------------------ */

static void line_begin(struct json_writer *w, struct buf *buf, const char *kind, struct str action,
                       int64_t at_ms)
{
        buf_init(buf, JOURNAL_LINE_MAX_BYTES);
        json_writer_init(w, buf);
        json_object_begin(w);
        json_field_c(w, "kind", kind);
        json_field_str(w, "action", action);
        json_field_int(w, "at_ms", at_ms);
}

static bool line_append(struct journal *journal, struct json_writer *w, struct err *err)
{
        json_object_end(w);
        return buf_check(w->buf, "a journal line", err) &&
               journal_file_append(&journal->file, buf_str(w->buf), err);
}

static bool append_plain(struct journal *journal, const char *kind, struct str action, struct err *err)
{
        BUF_SCOPED buf = {0};
        struct json_writer w;

        line_begin(&w, &buf, kind, action, clock_now_ms());
        return line_append(journal, &w, err);
}

static bool check_action(struct str action, struct err *err)
{
        if (!id_is(action, "act"))
                return err_set(err, ERR_BAD_FIELD, "\"%.*s\" is not an action's id", STR_ARG(action));
        return true;
}

static bool refuse_seen(const struct journal *journal, struct str action, struct str digest, struct err *err)
{
        if (seen_has(&journal->memory.seen, action))
                return err_set(err, ERR_JOURNAL_REFUSED, "this executor's journal has action %.*s already",
                               STR_ARG(action));
        if (digest.len > 0 && seen_has(&journal->memory.seen, digest))
                return err_set(err, ERR_JOURNAL_REFUSED,
                               "this executor's journal has the statement %.*s already, for another action",
                               STR_ARG(digest));
        return true;
}

bool journal_has_seen(struct journal *journal, struct str action, struct str digest)
{
        struct err err;
        bool seen;

        pthread_mutex_lock(&journal->lock);
        seen = !refuse_seen(journal, action, digest, &err);
        pthread_mutex_unlock(&journal->lock);
        return seen;
}

bool journal_note_claiming(struct journal *journal, struct str action, struct err *err)
{
        bool ok;

        pthread_mutex_lock(&journal->lock);
        ok = check_action(action, err) && refuse_seen(journal, action, STR_NULL, err);
        if (ok && !memory_find(&journal->memory, action))
                ok = append_plain(journal, "claiming", action, err) &&
                     memory_claiming(&journal->memory, action, err);
        pthread_mutex_unlock(&journal->lock);
        return ok;
}

bool journal_note_no_claim(struct journal *journal, struct str action, struct err *err)
{
        bool ok = true;

        pthread_mutex_lock(&journal->lock);
        if (memory_find(&journal->memory, action) && !seen_has(&journal->memory.seen, action)) {
                ok = append_plain(journal, "no_claim", action, err);
                memory_no_claim(&journal->memory, action);
        }
        pthread_mutex_unlock(&journal->lock);
        return ok;
}

static void begun_line(struct json_writer *w, struct buf *buf, const struct journal_entry *entry)
{
        line_begin(w, buf, "begun", entry->action, clock_now_ms());
        json_field_str(w, "claim", entry->claim);
        json_field_str(w, "digest", entry->digest);
        json_field_int(w, "begun_ms", entry->begun_ms);
        json_key(w, "statement");
        json_base64(w, entry->statement);
}

static void done_line(struct json_writer *w, struct buf *buf, const struct journal_result *result,
                      int64_t ended_ms)
{
        line_begin(w, buf, "done", result->action, ended_ms);
        json_field_str(w, "claim", result->claim);
        json_field_str(w, "digest", result->digest);
        json_field_str(w, "outcome", result->outcome);
        json_field_bool(w, "open", result->open);
        json_field_str(w, "report", result->report);
}

static bool note_begun(struct journal *journal, const struct journal_entry *entry, struct err *err)
{
        BUF_SCOPED buf = {0};
        struct json_writer w;

        begun_line(&w, &buf, entry);
        return check_action(entry->action, err) && refuse_seen(journal, entry->action, entry->digest, err) &&
               /* Memory first: what cannot be kept in mind must not become durable and then run. */
               memory_begun(&journal->memory, entry, err) && line_append(journal, &w, err);
}

bool journal_note_begun(struct journal *journal, const struct journal_entry *entry, struct err *err)
{
        bool ok;

        pthread_mutex_lock(&journal->lock);
        ok = note_begun(journal, entry, err);
        pthread_mutex_unlock(&journal->lock);
        return ok;
}

bool journal_note_done(struct journal *journal, const struct journal_result *result, struct err *err)
{
        BUF_SCOPED buf = {0};
        struct json_writer w;
        int64_t now_ms = clock_now_ms();
        bool ok;

        done_line(&w, &buf, result, now_ms);
        pthread_mutex_lock(&journal->lock);
        ok = check_action(result->action, err) && line_append(journal, &w, err) &&
             memory_ended(&journal->memory, result, now_ms, err);
        pthread_mutex_unlock(&journal->lock);
        return ok;
}

bool journal_note_reported(struct journal *journal, struct str action, struct err *err)
{
        bool ok = true;

        pthread_mutex_lock(&journal->lock);
        if (memory_find(&journal->memory, action)) {
                ok = append_plain(journal, "reported", action, err);
                if (ok)
                        memory_reported(&journal->memory, action);
        }
        pthread_mutex_unlock(&journal->lock);
        return ok;
}

/* ---- erasing what finished actions carried -------------------------------------------------------- */

static bool put_line(struct journal_file *fresh, struct json_writer *w, struct err *err)
{
        json_object_end(w);
        return buf_check(w->buf, "a journal line", err) && journal_file_put(fresh, buf_str(w->buf), err);
}

static bool put_kept(struct journal_file *fresh, const struct unfinished *item, struct err *err)
{
        BUF_SCOPED buf = {0};
        struct json_writer w;

        line_begin(&w, &buf, "kept", id_str(&item->action), item->ended_ms);
        json_field_str(&w, "claim", id_str(&item->claim));
        json_field_c(&w, "digest", item->digest);
        json_field_c(&w, "outcome", item->outcome);
        json_field_int(&w, "begun_ms", item->begun_ms);
        return put_line(fresh, &w, err);
}

static bool put_begun(struct journal_file *fresh, const struct unfinished *item, struct err *err)
{
        BUF_SCOPED buf = {0};
        struct json_writer w;

        begun_line(&w, &buf,
                   &(struct journal_entry){.action = id_str(&item->action),
                                           .claim = id_str(&item->claim),
                                           .digest = str_from(item->digest),
                                           .statement = str_make(item->statement, item->statement_len),
                                           .begun_ms = item->begun_ms});
        return put_line(fresh, &w, err);
}

static bool put_done(struct journal_file *fresh, const struct unfinished *item, struct err *err)
{
        BUF_SCOPED buf = {0};
        struct json_writer w;

        done_line(&w, &buf,
                  &(struct journal_result){.action = id_str(&item->action),
                                           .claim = id_str(&item->claim),
                                           .digest = str_from(item->digest),
                                           .report = str_make(item->report, item->report_len),
                                           .outcome = str_from(item->outcome),
                                           .open = item->open},
                  item->ended_ms);
        return put_line(fresh, &w, err);
}

static bool put_plain(struct journal_file *fresh, const struct unfinished *item, const char *kind,
                      struct err *err)
{
        BUF_SCOPED buf = {0};
        struct json_writer w;

        line_begin(&w, &buf, kind, id_str(&item->action), clock_now_ms());
        return put_line(fresh, &w, err);
}

static bool put_unfinished(struct journal_file *fresh, const struct unfinished *item, struct err *err)
{
        if (!item->statement && !item->report)
                return put_plain(fresh, item, "claiming", err);
        return (!item->statement || put_begun(fresh, item, err)) &&
               (!item->report || put_done(fresh, item, err)) &&
               (!item->reported || put_plain(fresh, item, "reported", err));
}

struct erasing {
        const struct journal *journal;
        off_t kept_end;
};

static bool fill(void *arg, struct journal_file *fresh, struct err *err)
{
        struct erasing *erasing = arg;

        for (const struct unfinished *item = erasing->journal->memory.closed; item; item = item->next)
                if (!put_kept(fresh, item, err))
                        return false;
        erasing->kept_end = fresh->length;
        for (const struct unfinished *item = erasing->journal->memory.first; item; item = item->next)
                if (!put_unfinished(fresh, item, err))
                        return false;
        return true;
}

bool journal_erase_closed(struct journal *journal, struct err *err)
{
        struct erasing erasing = {.journal = journal};
        bool ok = true;

        pthread_mutex_lock(&journal->lock);
        if (journal->memory.closed) {
                ok = journal_file_replace(&journal->file, journal->kept_end, fill, &erasing, err);
                if (ok) {
                        journal->kept_end = erasing.kept_end;
                        memory_forget_closed(&journal->memory);
                }
        }
        pthread_mutex_unlock(&journal->lock);
        return ok;
}

/* ---- what is unfinished --------------------------------------------------------------------------- */

static enum journal_need need_of(const struct unfinished *item)
{
        if (item->report)
                return item->open ? JOURNAL_NEEDS_RECONCILE : JOURNAL_NEEDS_REPORT;
        return item->statement ? JOURNAL_NEEDS_RECONCILE : JOURNAL_NEEDS_CLAIM;
}

bool journal_unfinished(struct journal *journal, struct arena *arena, size_t n, struct journal_item *ret)
{
        const struct unfinished *item;

        pthread_mutex_lock(&journal->lock);
        item = journal->memory.first;
        while (item && n-- > 0)
                item = item->next;
        if (item) {
                *ret = (struct journal_item){
                        .need = need_of(item),
                        .entry = {.action = arena_str(arena, id_str(&item->action)),
                                  .claim = arena_str(arena, id_str(&item->claim)),
                                  .digest = arena_str(arena, str_from(item->digest)),
                                  .statement =
                                          arena_str(arena, str_make(item->statement, item->statement_len)),
                                  .begun_ms = item->begun_ms},
                        .report = arena_str(arena, str_make(item->report, item->report_len)),
                        .report_sent = item->reported,
                };
        }
        pthread_mutex_unlock(&journal->lock);
        return item != NULL;
}
