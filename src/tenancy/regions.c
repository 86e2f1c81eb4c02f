/* SPDX-License-Identifier: Apache-2.0 */
#include "tenancy/regions.h"

#include "api/services.h"
#include "base/clock.h"
#include "tenancy/tenancy_sql.h"

enum { REGIONS_MAX = 64, COPY_BYTES = 8 << 20, COPY_ROWS_MAX = 512 };

struct region {
        struct str name;
        struct str url; /* empty: not said */
        bool served;
};

struct regions {
        size_t count;
        struct region list[REGIONS_MAX];
};

/* ---- which are where --------------------------------------------------------------------------- */

static bool name_ok(struct str name)
{
        if (name.len == 0 || name.len > 32 || name.ptr[0] < 'a' || name.ptr[0] > 'z')
                return false;
        for (size_t i = 0; i < name.len; i++) {
                char c = name.ptr[i];

                if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
                        return false;
        }
        return true;
}

static struct region *find(struct regions *regions, struct str name)
{
        for (size_t i = 0; i < regions->count; i++)
                if (str_eq(regions->list[i].name, name))
                        return &regions->list[i];
        return NULL;
}

static struct region *find_or_add(struct arena *arena, struct regions *regions, struct str name,
                                  const char *key, struct err *err)
{
        struct region *region = find(regions, name);

        if (region)
                return region;
        if (!name_ok(name)) {
                (void)err_set(err, ERR_CONFIG, "%s: \"%.*s\" is no name of a region", key, STR_ARG(name));
                return NULL;
        }
        if (regions->count == REGIONS_MAX) {
                (void)err_set(err, ERR_CONFIG, "%s: more than %d regions", key, REGIONS_MAX);
                return NULL;
        }
        region = &regions->list[regions->count++];
        *region = (struct region){.name = arena_str(arena, name), .url = STR("")};
        return region;
}

static bool add_served(struct arena *arena, struct regions *regions, struct str serves, struct err *err)
{
        struct str name;
        bool more = serves.len > 0;

        while (more) {
                struct region *region;

                more = str_cut(&serves, ' ', &name);
                if (name.len == 0)
                        continue;
                region = find_or_add(arena, regions, name, "node.regions", err);
                if (!region)
                        return false;
                region->served = true;
        }
        return true;
}

static bool add_urls(struct arena *arena, struct regions *regions, struct str urls, struct err *err)
{
        bool more = urls.len > 0;
        struct str pair, name;

        while (more) {
                struct region *region;

                more = str_cut(&urls, ' ', &pair);
                if (pair.len == 0)
                        continue;
                if (!str_cut(&pair, '=', &name) ||
                    !(str_starts(pair, STR("http://")) || str_starts(pair, STR("https://"))))
                        return err_set(err, ERR_CONFIG, "node.region-urls: \"%.*s\" is not name=URL",
                                       STR_ARG(name));
                region = find_or_add(arena, regions, name, "node.region-urls", err);
                if (!region)
                        return false;
                while (pair.len > 0 && pair.ptr[pair.len - 1] == '/')
                        pair.len--;
                region->url = arena_str(arena, pair);
        }
        return true;
}

bool regions_new(struct arena *arena, struct str home, struct str serves, struct str urls,
                 struct regions **ret, struct err *err)
{
        struct regions *regions = arena_alloc(arena, sizeof(*regions));
        const struct region *own;

        if (!regions)
                return arena_check(arena, err);
        *regions = (struct regions){0};
        if (!add_served(arena, regions, serves.len > 0 ? serves : home, err) ||
            !add_urls(arena, regions, urls, err))
                return false;
        own = find(regions, home);
        if (!own || !own->served)
                return err_set(err, ERR_CONFIG, "node.regions: the node's own region %.*s is not among them",
                               STR_ARG(home));
        *ret = regions;
        return arena_check(arena, err);
}

bool regions_serves(const struct services *services, struct str name)
{
        const struct region *region;

        if (!services->regions)
                return str_eq(name, services->region);
        region = find(services->regions, name);
        return region && region->served;
}

struct str regions_url(const struct services *services, struct str name)
{
        const struct region *region = services->regions ? find(services->regions, name) : NULL;

        return region && region->url.len > 0 ? region->url : STR_NULL;
}

bool regions_check_known(const struct services *services, struct str name, struct err *err)
{
        if (regions_serves(services, name) || regions_url(services, name).ptr)
                return true;
        return err_set_at(err, ERR_BAD_FIELD, "/region", "nobody is known to serve the region %.*s",
                          STR_ARG(str_slice(name, 0, 32)));
}

/* ---- copies of what home says ------------------------------------------------------------------ */

struct copy {
        struct str principal, region;
        int64_t roster_version; /* that the region has */
        struct sql_tenant_self_get_row tenant;
        bool has_tenant, has_principal;
        struct sql_home_principal_get_row person;
        struct sql_organization_get_row organizations[COPY_ROWS_MAX];
        struct sql_workspace_get_row workspaces[COPY_ROWS_MAX];
        struct sql_home_roster_list_row rosters[COPY_ROWS_MAX];
        size_t organization_count, workspace_count, roster_count;
};

static bool standing_work(struct tx *tx, void *arg, struct err *err)
{
        struct copy *copy = arg;
        struct sql_home_roster_last_row row;
        bool found;

        if (!sql_home_roster_last(tx, &row, &found, err))
                return false;
        copy->roster_version = found && row.has_version ? row.version : 0;
        return true;
}

static bool read_rosters(struct tx *tx, struct copy *copy, struct err *err)
{
        SQL_SCOPED(home_roster_list) c = {0};
        bool has = true;

        if (!sql_home_roster_list_open(tx, copy->roster_version, COPY_ROWS_MAX, &c, err))
                return false;
        while (copy->roster_count < COPY_ROWS_MAX) {
                if (!sql_home_roster_list_next(&c, &copy->rosters[copy->roster_count], &has, err))
                        return false;
                if (!has)
                        break;
                copy->roster_count++;
        }
        return true;
}

/* The organizations too: which of them a workspace is in is part of what it is. */
static bool read_workspaces(struct tx *tx, struct copy *copy, struct err *err)
{
        SQL_SCOPED(workspace_of_region_list) c = {0};
        bool has = true;

        if (!sql_workspace_of_region_list_open(tx, copy->region, COPY_ROWS_MAX, &c, err))
                return false;
        while (copy->workspace_count < COPY_ROWS_MAX) {
                if (!sql_workspace_of_region_list_next(&c, &copy->workspaces[copy->workspace_count], &has,
                                                       err))
                        return false;
                if (!has)
                        break;
                copy->workspace_count++;
        }
        return true;
}

static bool read_organizations(struct tx *tx, struct copy *copy, struct err *err)
{
        for (size_t i = 0; i < copy->workspace_count; i++) {
                struct str id = copy->workspaces[i].organization_id;
                bool found = false;

                for (size_t j = 0; j < copy->organization_count; j++)
                        found = found || str_eq(copy->organizations[j].id, id);
                if (found)
                        continue;
                if (!sql_organization_get(tx, id, &copy->organizations[copy->organization_count], &found,
                                          err))
                        return false;
                copy->organization_count += found ? 1 : 0;
        }
        return true;
}

static bool home_work(struct tx *tx, void *arg, struct err *err)
{
        struct copy *copy = arg;

        return sql_tenant_self_get(tx, &copy->tenant, &copy->has_tenant, err) &&
               sql_home_principal_get(tx, copy->principal, &copy->person, &copy->has_principal, err) &&
               read_rosters(tx, copy, err) && read_workspaces(tx, copy, err) &&
               read_organizations(tx, copy, err);
}

static bool write_rows(struct tx *tx, const struct copy *copy, struct err *err)
{
        for (size_t i = 0; i < copy->organization_count; i++) {
                const struct sql_organization_get_row *row = &copy->organizations[i];

                if (!sql_organization_copy(tx, row->id, row->name, row->labels, row->version,
                                           row->created_ms, err))
                        return false;
        }
        for (size_t i = 0; i < copy->workspace_count; i++) {
                const struct sql_workspace_get_row *row = &copy->workspaces[i];

                if (!sql_workspace_copy(tx,
                                        &(struct sql_workspace_copy_in){
                                                .id = row->id,
                                                .organization_id = row->organization_id,
                                                .name = row->name,
                                                .region = row->region,
                                                .state = row->state,
                                                .data_mode = row->data_mode,
                                                .labels = row->labels,
                                                .owner = row->owner_id,
                                                .version = row->version,
                                                .created_ms = row->created_ms,
                                        },
                                        err))
                        return false;
        }
        for (size_t i = 0; i < copy->roster_count; i++) {
                const struct sql_home_roster_list_row *row = &copy->rosters[i];

                if (!sql_home_roster_copy(tx, row->version, row->digest, row->envelope, row->created_ms,
                                          err))
                        return false;
        }
        return true;
}

static bool region_work(struct tx *tx, void *arg, struct err *err)
{
        const struct copy *copy = arg;
        const struct sql_home_principal_get_row *person = &copy->person;

        if (!sql_tenant_self_copy(tx, copy->tenant.name, copy->tenant.tier, copy->tenant.region,
                                  copy->tenant.platform, copy->tenant.created_ms, err) ||
            !write_rows(tx, copy, err))
                return false;
        return !copy->has_principal ||
               sql_home_principal_copy(tx, person->id, person->kind, person->name, person->created_ms, err);
}

BLOCKING_FN bool regions_follow_home(const struct services *services, struct str tenant, struct str home,
                                     struct str region, struct str principal, struct err *err)
{
        struct cell_ref there = {.tenant = tenant, .region = home};
        struct cell_ref here = {.tenant = tenant, .region = region};
        ARENA_SCOPED arena = {0};
        struct copy *copy;
        bool exists;

        arena_init(&arena, COPY_BYTES);
        copy = arena_alloc(&arena, sizeof(*copy));
        if (!copy)
                return arena_check(&arena, err);
        *copy = (struct copy){.principal = principal, .region = region};
        if (!store_cell_exists(services->store, &here, &exists, err) ||
            (!exists && !store_cell_create(services->store, &here, err) && err->code != ERR_ALREADY_EXISTS))
                return false;
        if (!store_read(services->store, &here, &arena, standing_work, copy, err) ||
            !store_read(services->store, &there, &arena, home_work, copy, err))
                return false;
        if (!copy->has_tenant)
                return err_set(err, ERR_INTERNAL, "the home cell of %.*s does not know itself",
                               STR_ARG(tenant));
        return store_write(services->store, &here, &arena, region_work, copy, err);
}
