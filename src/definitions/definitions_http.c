/* SPDX-License-Identifier: Apache-2.0 */
#include "definitions/definitions.h"

#include "api/api_handlers.h"
#include "api/listing.h"
#include "base/json_write.h"
#include "definitions/definitions_sql.h"
#include "definitions/diff.h"
#include "definitions/kinds.h"

#include <stdio.h>

/* Trees and problems of documents: more than a request's own arena is for. */
enum {
        SCRATCH_BYTES = 32 << 20,
        TAGS_JSON_MAX = 64 * 1024,
        ENVIRONMENTS_MAX = 64,
        EXPORT_PIECE_MAX = 2 << 20
};

static struct definition_author author_of(const struct request *req)
{
        return (struct definition_author){req->workspace, id_str(&req->principal.id), req->now_ms};
}

/* ---- what is told of a definition ------------------------------------------------------------------ */

static bool read_tags(struct request *req, struct str id, struct api_json *ret, struct err *err)
{
        SQL_SCOPED(definition_tags) c = {0};
        struct sql_definition_tags_row row;
        struct json_writer w;
        BUF_SCOPED text;
        bool has;

        buf_init(&text, TAGS_JSON_MAX);
        json_writer_init(&w, &text);
        json_object_begin(&w);
        if (!sql_definition_tags_open(req->tx, id, &c, err))
                return false;
        for (;;) {
                if (!sql_definition_tags_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                json_key_str(&w, row.name);
                json_str(&w, row.value);
        }
        json_object_end(&w);
        ret->text = arena_str(req->arena, buf_str(&text));
        return buf_check(&text, "the tags", err) && arena_check(req->arena, err);
}

static bool read_environments(struct request *req, struct str id, struct api_definition *out,
                              struct err *err)
{
        struct str *names = ARENA_ARRAY(req->arena, struct str, ENVIRONMENTS_MAX);
        SQL_SCOPED(definition_environments) c = {0};
        struct sql_definition_environments_row row;
        bool has;

        if (!names || !sql_definition_environments_open(req->tx, id, &c, err))
                return names ? false : arena_check(req->arena, err);
        while (out->environments_count < ENVIRONMENTS_MAX) {
                if (!sql_definition_environments_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                names[out->environments_count++] = row.environment;
        }
        out->environments = names;
        return true;
}

static enum api_definition_state state_of(struct str state)
{
        return str_is(state, "published") ? API_DEFINITION_STATE_PUBLISHED : API_DEFINITION_STATE_DRAFT;
}

static bool fill(struct request *req, const struct sql_definition_list_row *row, struct api_definition *out,
                 struct err *err)
{
        *out = (struct api_definition){
                .id = row->id,
                .kind = row->kind,
                .name = row->name,
                .version = row->version,
                .state = state_of(row->state),
                .title = row->title.len > 0 ? row->title : (struct str){NULL, 0},
                .digest = row->digest,
                .created_by = row->created_by,
                .created_at_ms = row->created_ms,
                .changed_at_ms = row->changed_ms,
                .published_by = row->published_by,
                .has_published_at = row->has_published_ms,
                .published_at_ms = row->published_ms,
        };
        return read_tags(req, row->id, &out->tags, err) && read_environments(req, row->id, out, err);
}

static bool get_row(struct request *req, struct str id, struct sql_definition_get_row *ret, struct err *err)
{
        bool found;

        if (!sql_definition_get(req->tx, req->workspace, id, ret, &found, err))
                return false;
        return found || err_set(err, ERR_NOT_FOUND, "there is nothing here for you");
}

static bool get_whole(struct request *req, struct str id, struct api_definition *out, struct err *err)
{
        struct sql_definition_get_row row;

        if (!get_row(req, id, &row, err) ||
            !fill(req,
                  &(struct sql_definition_list_row){.id = row.id,
                                                    .kind = row.kind,
                                                    .name = row.name,
                                                    .version = row.version,
                                                    .state = row.state,
                                                    .digest = row.digest,
                                                    .title = row.title,
                                                    .created_by = row.created_by,
                                                    .created_ms = row.created_ms,
                                                    .changed_ms = row.changed_ms,
                                                    .published_by = row.published_by,
                                                    .has_published_ms = row.has_published_ms,
                                                    .published_ms = row.published_ms},
                  out, err))
                return false;
        out->content = row.content;
        return true;
}

bool definition_get(struct request *req, const struct api_definition_get_in *in, struct api_definition *out,
                    struct err *err)
{
        return get_whole(req, in->definition, out, err);
}

/* "name=value"; empty for none. */
static bool take_tag(struct str tag, struct str *ret_name, struct str *ret_value, struct err *err)
{
        *ret_name = *ret_value = STR("");
        if (!tag.ptr)
                return true;
        *ret_value = tag;
        if (!str_cut(ret_value, '=', ret_name) || ret_name->len == 0)
                return err_set_at(err, ERR_BAD_PARAMETER, "tag", "write name=value");
        return true;
}

static struct str or_empty(struct str text)
{
        return text.ptr ? text : STR("");
}

bool definition_list(struct request *req, const struct api_definition_list_in *in,
                     struct api_definition_page *out, struct err *err)
{
        static const char *const states[] = {"", "draft", "published"};
        struct api_definition *items;
        struct listing listing;
        struct sql_definition_list_in query = {
                .workspace_id = req->workspace,
                .kind = or_empty(in->kind),
                .name = or_empty(in->name),
                .state = str_from(states[in->state]),
                .environment = or_empty(in->environment),
        };
        SQL_SCOPED(definition_list) c = {0};
        struct sql_definition_list_row row;
        bool has;

        if (!LISTING_BEGIN(&listing, req, in, &items, err) ||
            !take_tag(in->tag, &query.tag, &query.tag_value, err))
                return false;
        query.after = listing.after;
        query.most = listing.rows;
        if (!sql_definition_list_open(req->tx, &query, &c, err))
                return false;
        for (;;) {
                if (!sql_definition_list_next(&c, &row, &has, err))
                        return false;
                if (!has || !listing_takes(&listing, row.id))
                        break;
                if (!fill(req, &row, &items[listing.count++], err))
                        return false;
        }
        *out = (struct api_definition_page){items, listing.count, listing.next};
        return arena_check(req->arena, err);
}

/* ---- drafts ------------------------------------------------------------------------------------------ */

static void log_definition(struct request *req, struct str id, struct str kind, struct str digest)
{
        request_log_resource(req, "definition", id);
        request_log_detail(req, "kind", kind);
        request_log_detail(req, "digest", digest);
}

static void announce(struct request *req, const char *type, const struct api_definition *definition)
{
        request_event(req, type, definition->id,
                      arena_printf(req->arena,
                                   "{\"definition\":\"%.*s\",\"workspace\":\"%.*s\",\"digest\":\"%.*s\"}",
                                   STR_ARG(definition->id), STR_ARG(req->workspace),
                                   STR_ARG(definition->digest)));
}

bool definition_create(struct request *req, const struct api_definition_create_in *in,
                       struct api_definition *out, struct err *err)
{
        struct definition_author author = author_of(req);
        struct definition_head head;
        struct problems problems;
        ARENA_SCOPED scratch;
        const struct node *root;
        struct str id;

        arena_init(&scratch, SCRATCH_BYTES);
        problems_init(&problems, &scratch);
        if (!definition_read(in->body.kind, in->body.content, &problems, &head, &root, err)) {
                req->problems_json = definition_problems_json(req->arena, &problems);
                return false;
        }
        if (!definition_keep(req->tx, &author, &head, in->body.content, &id, err) ||
            !get_whole(req, id, out, err))
                return false;
        log_definition(req, out->id, out->kind, out->digest);
        announce(req, "definition.kept", out);
        return true;
}

bool definition_delete(struct request *req, const struct api_definition_delete_in *in, struct err *err)
{
        struct sql_definition_get_row row;
        int64_t changes;

        if (!get_row(req, in->definition, &row, err))
                return false;
        log_definition(req, row.id, row.kind, row.digest);
        if (!str_is(row.state, "draft"))
                return err_set(err, ERR_CONFLICT, "what is published stays; only drafts can be deleted");
        return sql_definition_tags_delete(req->tx, row.id, err) &&
               sql_definition_draft_delete(req->tx, req->workspace, row.id, &changes, err);
}

FIBER_FN bool definition_check_create(struct request *req, const struct api_definition_check_create_in *in,
                                      struct api_definition_check *out, struct err *err)
{
        struct api_definition_problem *items;
        struct definition_head head;
        struct problems problems;
        ARENA_SCOPED scratch;

        arena_init(&scratch, SCRATCH_BYTES);
        problems_init(&problems, &scratch);
        out->valid = definition_check(in->body.kind, in->body.content, &problems, &head, err);
        if (!out->valid && err->code != ERR_BAD_DEFINITION)
                return false;
        items = ARENA_ARRAY(req->arena, struct api_definition_problem, PROBLEMS_MAX);
        for (const struct problem_item *p = problems.first; items && p; p = p->next)
                items[out->problems_count++] = (struct api_definition_problem){
                        .line = p->line,
                        .column = p->column,
                        .path = arena_str(req->arena, p->path),
                        .severity = p->severity == PROBLEM_ERROR ? API_DEFINITION_PROBLEM_SEVERITY_ERROR
                                                                 : API_DEFINITION_PROBLEM_SEVERITY_WARNING,
                        .message = arena_str(req->arena, p->message),
                };
        out->problems = items;
        return arena_check(req->arena, err);
}

/* ---- publishing, promoting --------------------------------------------------------------------------- */

bool definition_publish(struct request *req, const struct api_definition_publish_in *in,
                        struct api_definition *out, struct err *err)
{
        struct definition_author author = author_of(req);
        struct sql_definition_get_row row;
        struct definition_head head;
        struct problems problems;
        ARENA_SCOPED scratch;

        arena_init(&scratch, SCRATCH_BYTES);
        problems_init(&problems, &scratch);
        if (!get_row(req, in->definition, &row, err))
                return false;
        log_definition(req, row.id, row.kind, row.digest);
        if (!definition_check(row.kind, row.content, &problems, &head, err)) {
                req->problems_json = definition_problems_json(req->arena, &problems);
                return false;
        }
        if (!definition_publish_draft(req->tx, &author, row.id,
                                      in->body.digest.ptr ? in->body.digest : row.digest, err) ||
            !get_whole(req, row.id, out, err))
                return false;
        announce(req, "definition.published", out);
        return true;
}

bool definition_promote(struct request *req, const struct api_definition_promote_in *in,
                        struct api_promotion *out, struct err *err)
{
        struct definition_author author = author_of(req);
        struct sql_definition_get_row row;

        if (!get_row(req, in->definition, &row, err))
                return false;
        log_definition(req, row.id, row.kind, row.digest);
        request_log_detail(req, "environment", in->body.environment);
        if (!definition_is_trial(in->body.environment))
                return err_set_at(
                        err, ERR_APPROVAL_NEEDED, "/environment",
                        "promotion to %.*s must be approved: submit the action definition.promote of the "
                        "connector countersign with this definition as its target",
                        STR_ARG(in->body.environment));
        if (!definition_promote_to(req->tx, &author, row.id, in->body.environment, (struct str){NULL, 0},
                                   err))
                return false;
        *out = (struct api_promotion){
                .definition = row.id,
                .kind = row.kind,
                .name = row.name,
                .version = row.version,
                .digest = row.digest,
                .environment = in->body.environment,
                .promoted_by = author.principal,
                .promoted_at_ms = req->now_ms,
        };
        return true;
}

/* An executor sees its own environment, and no other. */
static bool may_see(struct request *req, struct str environment, struct err *err)
{
        struct sql_promotion_reader_environment_row row;
        bool found;

        if (req->principal.kind != PRINCIPAL_EXECUTOR)
                return true;
        if (!sql_promotion_reader_environment(req->tx, id_str(&req->principal.id), req->workspace, &row,
                                              &found, err))
                return false;
        return (found && str_eq(row.environment, environment)) ||
               err_set(err, ERR_NOT_FOUND, "there is nothing here for you");
}

bool promotion_list(struct request *req, const struct api_promotion_list_in *in,
                    struct api_promotion_page *out, struct err *err)
{
        /* Each comes with its document. */
        enum { PAGE_MOST = 8 };
        size_t limit = in->has_limit && in->limit < PAGE_MOST ? (size_t)in->limit : PAGE_MOST;
        struct api_promotion *items = ARENA_ARRAY(req->arena, struct api_promotion, limit);
        struct listing listing;
        SQL_SCOPED(promotion_list) c = {0};
        struct sql_promotion_list_row row;
        bool has;

        if (!items)
                return arena_check(req->arena, err);
        if (!may_see(req, in->environment, err) ||
            !listing_begin(&listing, req->arena, limit, in->cursor, err) ||
            !sql_promotion_list_open(req->tx, req->workspace, in->environment, or_empty(in->kind),
                                     listing.after, listing.rows, &c, err))
                return false;
        for (;;) {
                if (!sql_promotion_list_next(&c, &row, &has, err))
                        return false;
                if (!has || !listing_takes(&listing, row.definition_id))
                        break;
                items[listing.count++] = (struct api_promotion){
                        .definition = row.definition_id,
                        .kind = row.kind,
                        .name = row.name,
                        .version = row.version,
                        .digest = row.digest,
                        .environment = in->environment,
                        .action = row.action_id,
                        .promoted_by = row.promoted_by,
                        .promoted_at_ms = row.promoted_ms,
                        .content = row.content,
                };
        }
        *out = (struct api_promotion_page){items, listing.count, listing.next};
        return arena_check(req->arena, err);
}

/* ---- comparing ------------------------------------------------------------------------------------------
 */

static const struct node *read_again(struct str content, struct arena *scratch, struct err *err)
{
        struct problems problems;
        const struct node *root;

        problems_init(&problems, scratch);
        root = document_read(content, &problems);
        if (!root)
                (void)err_set(err, ERR_STORE_FAILED, "a document that was taken cannot be read again");
        return root;
}

/* Absent stays absent. */
static struct str keep(struct arena *arena, struct str text)
{
        return text.ptr ? arena_str(arena, text) : text;
}

bool definition_diff(struct request *req, const struct api_definition_diff_in *in,
                     struct api_definition_diff *out, struct err *err)
{
        static const enum api_definition_change_change kinds[] = {
                [DIFF_ADDED] = API_DEFINITION_CHANGE_CHANGE_ADDED,
                [DIFF_REMOVED] = API_DEFINITION_CHANGE_CHANGE_REMOVED,
                [DIFF_CHANGED] = API_DEFINITION_CHANGE_CHANGE_CHANGED,
        };
        struct sql_definition_get_row from, to;
        const struct node *from_root, *to_root;
        struct api_definition_change *changes;
        ARENA_SCOPED scratch;
        struct diff diff;

        arena_init(&scratch, SCRATCH_BYTES);
        if (!get_row(req, in->definition, &from, err) || !get_row(req, in->to, &to, err))
                return false;
        from_root = read_again(from.content, &scratch, err);
        to_root = from_root ? read_again(to.content, &scratch, err) : NULL;
        if (!to_root || !document_diff(&scratch, from_root, to_root, &diff, err))
                return false;
        changes = ARENA_ARRAY(req->arena, struct api_definition_change, diff.count + 1U);
        for (uint32_t i = 0; changes && i < diff.count; i++)
                changes[i] = (struct api_definition_change){
                        .path = arena_str(req->arena, diff.changes[i].path),
                        .change = kinds[diff.changes[i].kind],
                        .before = keep(req->arena, diff.changes[i].before),
                        .after = keep(req->arena, diff.changes[i].after),
                };
        *out = (struct api_definition_diff){
                .from = from.id,
                .to = to.id,
                .changes = changes,
                .changes_count = diff.count,
                .has_truncated = true,
                .truncated = diff.truncated,
        };
        return arena_check(req->arena, err);
}

/* ---- export and import
 * ------------------------------------------------------------------------------------ */

struct exporting {
        struct buf piece;
        char last[ID_SIZE];
        bool done;
};

static void append_line(struct buf *buf, const struct sql_definition_get_row *row)
{
        struct json_writer w;

        json_writer_init(&w, buf);
        json_object_begin(&w);
        json_field_str(&w, "kind", row->kind);
        json_field_str(&w, "name", row->name);
        json_field_str(&w, "version", row->version);
        json_field_str(&w, "digest", row->digest);
        json_field_bool(&w, "published", str_is(row->state, "published"));
        json_field_str(&w, "content", row->content);
        json_object_end(&w);
        buf_append_char(buf, '\n');
}

/* The next few lines. */
static bool export_work(struct request *req, void *arg, struct err *err)
{
        enum { PIECE = 4 };
        struct exporting *exporting = arg;
        struct sql_definition_list_in query = {.workspace_id = req->workspace,
                                               .after = str_from(exporting->last),
                                               .kind = STR(""),
                                               .name = STR(""),
                                               .state = STR(""),
                                               .tag = STR(""),
                                               .tag_value = STR(""),
                                               .environment = STR(""),
                                               .most = PIECE};
        struct arena_mark mark = arena_mark(req->arena);
        SQL_SCOPED(definition_list) c = {0};
        struct sql_definition_list_row row;
        struct sql_definition_get_row whole;
        unsigned count = 0;
        bool has;

        buf_reset(&exporting->piece);
        if (!sql_definition_list_open(req->tx, &query, &c, err))
                return false;
        for (;;) {
                if (!sql_definition_list_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                count++;
                if (!get_row(req, row.id, &whole, err))
                        return false;
                append_line(&exporting->piece, &whole);
                (void)snprintf(exporting->last, sizeof(exporting->last), "%.*s", STR_ARG(row.id));
                arena_rewind(req->arena, mark);
        }
        exporting->done = count < PIECE;
        return buf_check(&exporting->piece, "an export", err);
}

FIBER_FN bool definition_export(struct request *req, const struct api_definition_export_in *in,
                                struct err *err)
{
        struct exporting exporting = {0};
        bool ok;

        (void)in;
        buf_init(&exporting.piece, EXPORT_PIECE_MAX);
        ok = request_read(req, export_work, &exporting, err) &&
             request_stream_begin(req, "application/x-ndjson", err);
        while (ok) {
                ok = request_stream_write(req, buf_str(&exporting.piece), err);
                if (exporting.done)
                        break;
                ok = ok && request_read(req, export_work, &exporting, err);
        }
        buf_done(&exporting.piece);
        return ok;
}

static bool import_one(struct request *req, const struct api_definition_import *item, struct arena *scratch,
                       struct api_definition *out, struct err *err)
{
        struct definition_author author = author_of(req);
        struct definition_head head;
        struct problems problems;
        const struct node *root;
        struct str id;
        bool ok;

        problems_init(&problems, scratch);
        ok = item->published ? definition_check(item->kind, item->content, &problems, &head, err)
                             : definition_read(item->kind, item->content, &problems, &head, &root, err);
        if (!ok) {
                req->problems_json = definition_problems_json(req->arena, &problems);
                return false;
        }
        if (!definition_keep(req->tx, &author, &head, item->content, &id, err) ||
            !get_whole(req, id, out, err))
                return false;
        out->content = (struct str){NULL, 0};
        if (item->digest.ptr && !str_eq(item->digest, out->digest))
                return err_set_at(err, ERR_BAD_DEFINITION, "/digest",
                                  "the document has another digest, %.*s", STR_ARG(out->digest));
        if (!item->published)
                return true;
        if (!definition_publish_draft(req->tx, &author, id, out->digest, err) ||
            !get_whole(req, id, out, err))
                return false;
        out->content = (struct str){NULL, 0};
        return true;
}

bool definition_import(struct request *req, const struct api_definition_import_in *in,
                       struct api_definition_page *out, struct err *err)
{
        struct api_definition *items = ARENA_ARRAY(req->arena, struct api_definition, in->body.items_count);
        if (!items)
                return arena_check(req->arena, err);
        for (size_t i = 0; i < in->body.items_count; i++) {
                ARENA_SCOPED scratch;

                arena_init(&scratch, SCRATCH_BYTES);
                if (!import_one(req, &in->body.items[i], &scratch, &items[i], err)) {
                        return err_prefix(err, "item %zu", i);
                }
        }
        request_log_detail(req, "count", arena_printf(req->arena, "%zu", in->body.items_count));
        out->items = items;
        out->items_count = in->body.items_count;
        return arena_check(req->arena, err);
}
