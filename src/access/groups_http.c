/* SPDX-License-Identifier: Apache-2.0 */
/* Groups, and the names by which other programs know a principal. */
#include "access/access_sql.h"
#include "access/bindings.h"
#include "api/api_handlers.h"
#include "api/listing.h"

enum { SUBJECTS_MAX = 20 };

static struct api_group group_from_row(const struct sql_access_group_get_row *row)
{
        return (struct api_group){.id = row->id,
                                  .name = row->name,
                                  .description = row->description,
                                  .created_at_ms = row->created_ms};
}

static bool group_find(struct request *req, struct str id, struct sql_access_group_get_row *ret,
                       struct err *err)
{
        bool found;

        if (!sql_access_group_get(req->tx, id, ret, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "there is no such group");
        request_log_resource(req, "group", id);
        return true;
}

static struct str event_data(struct request *req, struct str group)
{
        return arena_printf(req->arena, "{\"group\":\"%.*s\"}", STR_ARG(group));
}

bool group_list(struct request *req, const struct api_group_list_in *in, struct api_group_page *out,
                struct err *err)
{
        struct api_group *items;
        struct listing listing;
        SQL_SCOPED(access_group_list) c = {0};
        struct sql_access_group_get_row row;
        bool has;

        if (!LISTING_BEGIN(&listing, req, in, &items, err) ||
            !sql_access_group_list_open(req->tx, listing.after, listing.rows, &c, err))
                return false;
        for (;;) {
                if (!sql_access_group_list_next(&c, &row, &has, err))
                        return false;
                if (!has || !listing_takes(&listing, row.id))
                        break;
                items[listing.count++] = group_from_row(&row);
        }
        *out = (struct api_group_page){items, listing.count, listing.next};
        return arena_check(req->arena, err);
}

bool group_create(struct request *req, const struct api_group_create_in *in, struct api_group *out,
                  struct err *err)
{
        struct id id = id_new("grp");
        int64_t changes;

        *out = (struct api_group){.id = arena_str(req->arena, id_str(&id)),
                                  .name = in->body.name,
                                  .description = in->body.description.ptr ? in->body.description : STR(""),
                                  .created_at_ms = req->now_ms};
        if (!sql_access_group_insert(req->tx, out->id, out->name, out->description, req->now_ms, &changes,
                                     err))
                return false;
        if (changes != 1)
                return err_set_at(err, ERR_ALREADY_EXISTS, "/name", "there is a group \"%.*s\" already",
                                  STR_ARG(out->name));
        request_log_resource(req, "group", out->id);
        request_event(req, "group.created", out->id, event_data(req, out->id));
        return true;
}

bool group_get(struct request *req, const struct api_group_get_in *in, struct api_group *out,
               struct err *err)
{
        struct sql_access_group_get_row row;

        if (!group_find(req, in->group, &row, err))
                return false;
        *out = group_from_row(&row);
        return true;
}

bool group_delete(struct request *req, const struct api_group_delete_in *in, struct err *err)
{
        struct sql_access_group_get_row row;

        if (!group_find(req, in->group, &row, err) || !access_group_remove(req, in->group, err))
                return false;
        request_event(req, "group.deleted", in->group, event_data(req, in->group));
        return true;
}

bool group_member_list(struct request *req, const struct api_group_member_list_in *in,
                       struct api_member_page *out, struct err *err)
{
        struct api_member *items;
        struct listing listing;
        SQL_SCOPED(access_member_list) c = {0};
        struct sql_access_member_list_row row;
        struct sql_access_group_get_row group;
        bool has;

        if (!group_find(req, in->group, &group, err) || !LISTING_BEGIN(&listing, req, in, &items, err) ||
            !sql_access_member_list_open(req->tx, in->group, listing.after, listing.rows, &c, err))
                return false;
        for (;;) {
                if (!sql_access_member_list_next(&c, &row, &has, err))
                        return false;
                if (!has || !listing_takes(&listing, row.principal_id))
                        break;
                items[listing.count++] = (struct api_member){.principal = row.principal_id,
                                                             .kind = api_principal_kind_from(row.kind),
                                                             .name = row.name,
                                                             .added_at_ms = row.added_ms};
        }
        *out = (struct api_member_page){items, listing.count, listing.next};
        return arena_check(req->arena, err);
}

bool group_member_add(struct request *req, const struct api_group_member_add_in *in, struct err *err)
{
        struct sql_access_group_get_row row;

        if (!group_find(req, in->group, &row, err) || !access_member_add(req, in->group, in->principal, err))
                return false;
        request_log_detail(req, "principal", in->principal);
        request_event(req, "group.member_added", in->group, event_data(req, in->group));
        return true;
}

bool group_member_remove(struct request *req, const struct api_group_member_remove_in *in, struct err *err)
{
        struct sql_access_group_get_row row;

        if (!group_find(req, in->group, &row, err) ||
            !access_member_remove(req, in->group, in->principal, err))
                return false;
        request_log_detail(req, "principal", in->principal);
        request_event(req, "group.member_removed", in->group, event_data(req, in->group));
        return true;
}

/* ---- names elsewhere ------------------------------------------------------------------------------ */

static bool principal_exists(struct request *req, struct str id, struct err *err)
{
        struct sql_access_principal_get_row row;
        bool found;

        if (!sql_access_principal_get(req->tx, id, &row, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "there is no such principal");
        request_log_resource(req, "principal", id);
        return true;
}

static bool subjects(struct request *req, struct str principal, struct api_subject_list *out,
                     struct err *err)
{
        struct api_subject *items = ARENA_ARRAY(req->arena, struct api_subject, SUBJECTS_MAX);
        SQL_SCOPED(access_subject_list) c = {0};
        struct sql_access_subject_list_row row;
        bool has = true;

        if (!items)
                return arena_check(req->arena, err);
        if (!sql_access_subject_list_open(req->tx, principal, &c, err))
                return false;
        out->items = items;
        while (has && out->items_count < SUBJECTS_MAX) {
                if (!sql_access_subject_list_next(&c, &row, &has, err))
                        return false;
                if (has)
                        items[out->items_count++] = (struct api_subject){row.type, row.id, row.created_ms};
        }
        return true;
}

bool subject_list(struct request *req, const struct api_subject_list_in *in, struct api_subject_list *out,
                  struct err *err)
{
        return principal_exists(req, in->principal, err) && subjects(req, in->principal, out, err);
}

bool subject_create(struct request *req, const struct api_subject_create_in *in, struct api_subject *out,
                    struct err *err)
{
        struct api_subject_list known = {0};
        int64_t changes;

        if (!principal_exists(req, in->principal, err) || !subjects(req, in->principal, &known, err))
                return false;
        if (known.items_count >= SUBJECTS_MAX)
                return err_set(err, ERR_LIMIT_REACHED, "a principal has at most %d such names",
                               SUBJECTS_MAX);
        if (!sql_access_subject_insert(req->tx, in->body.type, in->body.id, in->principal, req->now_ms,
                                       &changes, err))
                return false;
        if (changes != 1)
                return err_set_at(err, ERR_ALREADY_EXISTS, "/id", "a principal has this name already");
        *out = (struct api_subject){in->body.type, in->body.id, req->now_ms};
        return true;
}

bool subject_delete(struct request *req, const struct api_subject_delete_in *in, struct err *err)
{
        int64_t changes;

        if (!principal_exists(req, in->principal, err) ||
            !sql_access_subject_delete(req->tx, in->type, in->id, in->principal, &changes, err))
                return false;
        return changes == 1 || err_set(err, ERR_NOT_FOUND, "the principal has no such name");
}
