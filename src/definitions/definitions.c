/* SPDX-License-Identifier: Apache-2.0 */
#include "definitions/definitions.h"

#include "base/id.h"
#include "base/json_write.h"
#include "crypto/sha256.h"
#include "definitions/definitions_sql.h"
#include "definitions/kinds.h"
#include "definitions/texts.h"
#include "documents/statement.h"

enum { TAGS_MAX = 64, TAG_MAX = 128, TITLE_MAX = 200, PROBLEMS_JSON_MAX = 256 * 1024 };

/* ---- documents ---------------------------------------------------------------------------------- */

static bool refuse(const struct problems *problems, struct err *err)
{
        const struct problem_item *first = problems->first;

        while (first && first->severity != PROBLEM_ERROR)
                first = first->next;
        if (!first)
                return err_set(err, ERR_NO_MEMORY, "the document does not fit into a request's memory");
        return err_set_at(err, ERR_BAD_DEFINITION, "/content",
                          "line %d, column %d: %.*s (%u mistake%s in all)", first->line, first->column,
                          STR_ARG(first->message), problems->errors, problems->errors == 1 ? "" : "s");
}

static void check_head_text(struct problems *problems, const struct node *head, const char *name,
                            bool (*check)(struct str, const char **))
{
        const struct node *node = node_get(head, name);
        const char *why = "";

        if (!node)
                problems_add_key(problems, head, "the head (document) needs \"%s\"", name);
        else if (node->type != JSON_STRING)
                problems_add(problems, node, "\"%s\" is a text; put it into quotes", name);
        else if (!check(node->text, &why))
                problems_add(problems, node, "\"%.*s\" is no %s: %s", STR_ARG(str_slice(node->text, 0, 80)),
                             name, why);
}

static void check_tags(struct problems *problems, const struct node *tags)
{
        const struct node *tag = tags ? tags->first : NULL;

        if (tags && (tags->type != JSON_OBJECT || tags->count > TAGS_MAX)) {
                problems_add(problems, tags, "tags are a mapping of at most %d names to texts", TAGS_MAX);
                return;
        }
        for (; tag; tag = tag->next)
                if (tag->type == JSON_OBJECT || tag->type == JSON_ARRAY || tag->text.len > TAG_MAX ||
                    tag->key.len > TAG_MAX)
                        problems_add(problems, tag, "a tag is a text of at most %d bytes", TAG_MAX);
}

bool definition_read(struct str kind, struct str content, struct problems *problems,
                     struct definition_head *ret, const struct node **ret_root, struct err *err)
{
        const struct node *head;

        *ret = (struct definition_head){.kind = definition_kind_find(kind)};
        if (!ret->kind)
                return err_set_at(err, ERR_BAD_FIELD, "/kind",
                                  "there are no definitions of the kind \"%.*s\"",
                                  STR_ARG(str_slice(kind, 0, 40)));
        *ret_root = document_read(content, problems);
        if (!*ret_root)
                return refuse(problems, err);
        head = node_get(*ret_root, "document");
        if (!head || head->type != JSON_OBJECT) {
                problems_add(problems, head ? head : *ret_root,
                             "the head is missing: document: {name: …, version: …}");
                return refuse(problems, err);
        }
        check_head_text(problems, head, "name", text_is_label);
        check_head_text(problems, head, "version", text_is_version);
        check_tags(problems, node_get(head, "tags"));
        if (problems->errors > 0)
                return refuse(problems, err);
        ret->name = node_text(head, "name");
        ret->version = node_text(head, "version");
        ret->title = str_slice(node_text(head, "title"), 0, TITLE_MAX);
        ret->title.len = str_utf8_prefix(ret->title);
        ret->tags = node_get(head, "tags");
        return true;
}

bool definition_check(struct str kind, struct str content, struct problems *problems,
                      struct definition_head *ret, struct err *err)
{
        const struct node *root;

        if (!definition_read(kind, content, problems, ret, &root, err))
                return false;
        ret->kind->check(root, problems);
        if (arena_failed(problems->arena))
                return arena_check(problems->arena, err);
        return problems->errors == 0 || refuse(problems, err);
}

struct str definition_problems_json(struct arena *arena, const struct problems *problems)
{
        struct json_writer w;
        struct str json;
        BUF_SCOPED text;

        buf_init(&text, PROBLEMS_JSON_MAX);
        json_writer_init(&w, &text);
        json_array_begin(&w);
        for (const struct problem_item *p = problems->first; p; p = p->next) {
                json_object_begin(&w);
                json_field_int(&w, "line", p->line);
                json_field_int(&w, "column", p->column);
                json_field_str(&w, "path", p->path);
                json_field_c(&w, "severity", p->severity == PROBLEM_ERROR ? "error" : "warning");
                json_field_str(&w, "message", p->message);
                json_object_end(&w);
        }
        json_array_end(&w);
        json = arena_str(arena, buf_str(&text));
        return text.failed || !json.ptr ? STR("[]") : json;
}

bool definition_is_trial(struct str environment)
{
        return str_is(environment, "test") || str_is(environment, "dev");
}

/* ---- drafts -------------------------------------------------------------------------------------- */

static bool put_tags(struct tx *tx, struct str id, const struct definition_head *head, struct err *err)
{
        if (!sql_definition_tags_delete(tx, id, err))
                return false;
        for (const struct node *tag = head->tags ? head->tags->first : NULL; tag; tag = tag->next)
                if (!sql_definition_tag_put(tx, id, tag->key, tag->text.ptr ? tag->text : STR(""), err))
                        return false;
        return true;
}

static bool keep_again(struct tx *tx, const struct definition_author *author,
                       const struct definition_head *head, const struct sql_definition_get_row *row,
                       struct str content, struct str digest, struct err *err)
{
        int64_t changes;

        if (str_eq(row->digest, digest))
                return true;
        if (!str_is(row->state, "draft"))
                return err_set_at(
                        err, ERR_ALREADY_EXISTS, "/content",
                        "%.*s %.*s is published with other content, which is final; give it another "
                        "version",
                        STR_ARG(head->name), STR_ARG(head->version));
        return sql_definition_replace(tx,
                                      &(struct sql_definition_replace_in){.id = row->id,
                                                                          .digest = digest,
                                                                          .content = content,
                                                                          .title = head->title,
                                                                          .now = author->now_ms},
                                      &changes, err) &&
               put_tags(tx, row->id, head, err);
}

bool definition_keep(struct tx *tx, const struct definition_author *author,
                     const struct definition_head *head, struct str content, struct str *ret_id,
                     struct err *err)
{
        struct str kind = str_from(head->kind->name);
        struct sql_definition_get_row row;
        struct id id = id_new("def");
        char hex[SHA256_HEX_SIZE];
        struct sha256 hash;
        int64_t changes;
        bool found;

        sha256_of(content, &hash);
        sha256_format(&hash, hex);
        if (!sql_definition_by_name(tx, author->workspace, kind, head->name, head->version, &row, &found,
                                    err))
                return false;
        *ret_id = found ? row.id : arena_str(tx_arena(tx), id_str(&id));
        if (found)
                return keep_again(tx, author, head, &row, content, str_from(hex), err);
        return arena_check(tx_arena(tx), err) &&
               sql_definition_insert(tx,
                                     &(struct sql_definition_insert_in){.id = *ret_id,
                                                                        .workspace_id = author->workspace,
                                                                        .kind = kind,
                                                                        .name = head->name,
                                                                        .version = head->version,
                                                                        .digest = str_from(hex),
                                                                        .content = content,
                                                                        .title = head->title,
                                                                        .created_by = author->principal,
                                                                        .now = author->now_ms},
                                     &changes, err) &&
               put_tags(tx, *ret_id, head, err);
}

/* ---- publishing, promoting -------------------------------------------------------------------------- */

static bool get(struct tx *tx, struct str workspace, struct str id, struct sql_definition_get_row *ret,
                struct err *err)
{
        bool found;

        if (!sql_definition_get(tx, workspace, id, ret, &found, err))
                return false;
        return found ||
               err_set(err, ERR_NOT_FOUND, "there is no definition %.*s in this workspace", STR_ARG(id));
}

bool definition_publish_draft(struct tx *tx, const struct definition_author *author, struct str id,
                              struct str digest, struct err *err)
{
        struct sql_definition_get_row row;
        int64_t changes;

        if (!get(tx, author->workspace, id, &row, err))
                return false;
        if (str_eq(row.digest, digest) && str_is(row.state, "published"))
                return true;
        if (!sql_definition_publish(tx, id, digest, author->principal, author->now_ms, &changes, err))
                return false;
        return changes == 1 ||
               err_set(err, ERR_CONFLICT,
                       "the definition has the digest %.*s now; read it again, and publish that",
                       STR_ARG(row.digest));
}

bool definition_promote_to(struct tx *tx, const struct definition_author *author, struct str id,
                           struct str environment, struct str action, struct err *err)
{
        struct sql_definition_get_row row;

        if (!get(tx, author->workspace, id, &row, err))
                return false;
        if (!str_is(row.state, "published"))
                return err_set(err, ERR_CONFLICT, "a draft cannot be promoted; publish it first");
        return sql_promotion_put(tx,
                                 &(struct sql_promotion_put_in){.workspace_id = author->workspace,
                                                                .environment = environment,
                                                                .kind = row.kind,
                                                                .name = row.name,
                                                                .definition_id = id,
                                                                .action_id = action,
                                                                .promoted_by = author->principal,
                                                                .now = author->now_ms},
                                 err);
}

/* ---- promotion as an action ----------------------------------------------------------------------------
 */

static bool resolve_promote(struct tx *tx, struct str workspace, struct str target,
                            const struct json *parameters, struct json *facts, struct err *err)
{
        struct arena *arena = tx_arena(tx);
        struct sql_definition_get_row row;
        bool found;

        (void)parameters;
        if (!sql_definition_get(tx, workspace, target, &row, &found, err))
                return false;
        if (!found)
                return err_set_at(err, ERR_TARGET_NOT_FOUND, "/target", "there is no definition %.*s",
                                  STR_ARG(target));
        if (!str_is(row.state, "published"))
                return err_set_at(err, ERR_CONFLICT, "/target",
                                  "a draft cannot be promoted; publish it first");
        control_fact(arena, facts, "id", row.id);
        control_fact(arena, facts, "known_as",
                     arena_printf(arena, "%.*s/%.*s", STR_ARG(row.kind), STR_ARG(row.name)));
        control_fact(arena, facts, "version", row.version);
        control_fact(arena, facts, "digest", row.digest);
        return arena_check(arena, err);
}

static bool run_promote(struct tx *tx, struct control_run *run, struct err *err)
{
        const struct statement *statement = run->statement;
        struct definition_author author = {run->workspace, statement->requester_id, run->now_ms};
        struct sql_definition_get_row row;
        bool found;

        if (!sql_definition_get(tx, run->workspace, run->target, &row, &found, err))
                return false;
        /* Published bytes never change; that they are those that were approved is checked all the same. */
        if (!found || !str_eq(row.digest, statement_fact(statement, "digest")))
                return err_set(err, ERR_TARGET_CHANGED, "the definition is not the one that was approved");
        run->message = STR("promoted");
        return definition_promote_to(tx, &author, run->target,
                                     parameter_string(&statement->parameters, "environment"), run->action,
                                     err);
}

const struct control_operation definition_control_promote = {
        .name = "definition.promote",
        .resolve = resolve_promote,
        .run = run_promote,
};
