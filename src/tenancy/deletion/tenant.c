/* SPDX-License-Identifier: Apache-2.0 */
#include "tenancy/deletion/private.h"

#include "api/services.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/log_line.h"
#include "base/test_hooks.h"
#include "log/log.h"
#include "tenancy/places.h"
#include "tenancy/regions.h"

#include <pthread.h>

enum {
        SCHEMA_BYTES = 4 << 20,
        GRAVE_BYTES = 32 << 20,
        REGIONS_MAX = 64,
        RESUME_MAX = 64,
        TEXT_MAX_BYTES = 16 << 20
};

/* ---- asking, and the effect -------------------------------------------------------------------- */

static bool resolve(struct tx *tx, struct str workspace, struct str target, const struct json *parameters,
                    struct json *facts, struct err *err)
{
        struct sql_deletion_tenant_self_row row;
        bool found;

        (void)workspace;
        (void)parameters;
        if (!str_eq(target, tx_tenant(tx)))
                return err_set_at(err, ERR_TARGET_NOT_FOUND, "/target",
                                  "a tenant's deletion is asked for in the tenant itself");
        if (!sql_deletion_tenant_self(tx, &row, &found, err))
                return false;
        if (!found || !str_eq(row.region, tx_region(tx)))
                return err_set_at(err, ERR_CONFLICT, "/target",
                                  "ask in a workspace of the tenant's home region, %.*s",
                                  STR_ARG(found ? row.region : STR("-")));
        if (row.platform)
                return err_set_at(err, ERR_CONFLICT, "/target", "this is the platform's own tenant");
        control_fact(tx_arena(tx), facts, "id", target);
        control_fact(tx_arena(tx), facts, "known_as", row.name);
        control_fact(tx_arena(tx), facts, "region", row.region);
        return true;
}

struct closing {
        const struct control_run *run;
        int64_t changes;
};

static bool close_work(struct tx *tx, void *arg, struct err *err)
{
        struct closing *closing = arg;

        return sql_deletion_close(tx, closing->run->cell.tenant, closing->run->action, &closing->changes,
                                  err) &&
               places_forget_on_commit(closing->run->services, tx, closing->run->cell.tenant, err);
}

/* Only an archived tenant closes; `run` sees by `ready` whether it did. */
static bool prepare(struct control_run *run, struct err *err)
{
        struct closing closing = {.run = run};

        if (!store_write(run->services->store, &CELL_DIRECTORY, NULL, close_work, &closing, err))
                return false;
        run->ready = closing.changes == 1;
        test_step("deletion: closed");
        return true;
}

/* What the people have signed, as it goes into the grave. */
static bool envelope_text(struct tx *tx, const struct control_run *run, struct str *ret, struct err *err)
{
        struct dsse_envelope envelope;
        struct action action;
        BUF_SCOPED text = {0};
        unsigned people;

        buf_init(&text, TEXT_MAX_BYTES);
        if (!approvals_get(tx, run->workspace, run->action, &action, err) ||
            !approvals_envelope(tx, &action, NULL, &envelope, &people, err))
                return false;
        dsse_append(&text, &envelope);
        if (!buf_check(&text, "the envelope", err))
                return false;
        *ret = arena_str(tx_arena(tx), buf_str(&text));
        return arena_check(tx_arena(tx), err);
}

static bool run(struct tx *tx, struct control_run *run, struct err *err)
{
        struct json ignored = {.type = JSON_OBJECT};
        struct sql_deletion_tenant_self_row row;
        struct str envelope;
        bool found;

        if (!run->ready)
                return err_set(err, ERR_CONFLICT, "the tenant is not archived; archive it first");
        if (!resolve(tx, run->workspace, run->target, NULL, &ignored, err) ||
            !sql_deletion_tenant_self(tx, &row, &found, err))
                return false;
        if (!str_eq(row.name, statement_fact(run->statement, "known_as")))
                return err_set(err, ERR_TARGET_CHANGED, "the tenant has another name than was approved");
        run->message = STR("The tenant is closed; all that it has is being erased.");
        return envelope_text(tx, run, &envelope, err) &&
               sql_deletion_self_close(tx, run->action, envelope, err);
}

/* ---- the grave --------------------------------------------------------------------------------- */

struct grave {
        const struct services *services;
        struct cell_ref cell;
        struct str workspace, action; /* where it was asked; the first only in the home cell */
        bool closed;                  /* the cell says so */
        struct str envelope, rosters, checkpoint, vkey, proof;
};

static bool is_closed_work(struct tx *tx, void *arg, struct err *err)
{
        struct grave *grave = arg;
        struct sql_deletion_tenant_self_row row;
        bool found;

        if (!sql_deletion_tenant_self(tx, &row, &found, err))
                return false;
        grave->closed = found && row.closing_action.ptr;
        if (grave->closed) {
                grave->action = row.closing_action;
                grave->envelope = row.closing_envelope;
        }
        return true;
}

static bool read_rosters(struct tx *tx, struct grave *grave, struct err *err)
{
        SQL_SCOPED(deletion_rosters) c = {0};
        struct sql_deletion_rosters_row row;
        BUF_SCOPED text = {0};
        bool has;

        buf_init(&text, TEXT_MAX_BYTES);
        if (!sql_deletion_rosters_open(tx, &c, err))
                return false;
        for (;;) {
                if (!sql_deletion_rosters_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                buf_append_str(&text, row.envelope);
                buf_append_char(&text, '\n');
        }
        if (!buf_check(&text, "the rosters", err))
                return false;
        grave->rosters = arena_str(tx_arena(tx), buf_str(&text));
        return true;
}

/* The proof of the newest entry that the log has about the action: the one that says that it was run. */
static bool read_proof(struct tx *tx, struct grave *grave, struct err *err)
{
        SQL_SCOPED(deletion_entries) c = {0};
        struct sql_deletion_entries_row row;
        BUF_SCOPED text = {0};
        bool has;

        buf_init(&text, TEXT_MAX_BYTES);
        if (!sql_deletion_entries_open(tx, grave->action, &c, err) ||
            !sql_deletion_entries_next(&c, &row, &has, err))
                return false;
        if (has && !log_receipt(tx, row.epoch, (uint64_t)row.seq, &text, err))
                return false;
        if (!buf_check(&text, "the proof", err))
                return false;
        grave->proof = arena_str(tx_arena(tx), buf_str(&text));
        return true;
}

static bool read_grave(struct tx *tx, void *arg, struct err *err)
{
        struct grave *grave = arg;
        struct log_head head;

        if (!log_head(tx, 0, &head, err))
                return false;
        grave->vkey = head.vkey.ptr ? head.vkey : STR("");
        return read_rosters(tx, grave, err) && read_proof(tx, grave, err) && arena_check(tx_arena(tx), err);
}

static bool write_grave(struct tx *tx, void *arg, struct err *err)
{
        const struct grave *grave = arg;

        test_step("deletion: grave");
        return sql_deletion_grave_insert(tx,
                                         &(struct sql_deletion_grave_insert_in){
                                                 .tenant = grave->cell.tenant,
                                                 .region = grave->cell.region,
                                                 .now = clock_now_ms(),
                                                 .action = grave->action,
                                                 .envelope = grave->envelope,
                                                 .rosters = grave->rosters,
                                                 .checkpoint = grave->checkpoint,
                                                 .vkey = grave->vkey,
                                                 .proof = grave->proof,
                                         },
                                         err);
}

/* ---- erasing ----------------------------------------------------------------------------------- */

struct removing {
        struct schema *schema;
        struct str tenant;
};

/* What is kept of the dead, and what tells an old copy of a log apart. */
static bool stays(const struct schema_table *table)
{
        return strcmp(table->name, "tenant_grave") == 0 || strcmp(table->name, "log_high_water") == 0;
}

/* Those that refer come before what they refer to. */
static bool remove_all(struct tx *tx, void *arg, struct err *err)
{
        const struct removing *removing = arg;

        for (unsigned i = removing->schema->count; i-- > 0;) {
                struct schema_table *table = &removing->schema->tables[i];

                if (table->tenant_column && !stays(table) &&
                    !schema_rows_remove(tx, table, removing->tenant, err))
                        return err_prefix(err, "table %s", table->name);
        }
        return true;
}

#define ERASED "erased" /* in the place of a move's id: the cell goes nowhere */

/* Whether there is a cell to bury. Only who was told so by the store itself may take it for erased. */
static bool is_there(const struct services *services, const struct cell_ref *cell, bool *ret_there,
                     struct err *err)
{
        struct cell_stand stand;

        if (!store_cell_stand(services->store, cell, &stand, err))
                return false;
        *ret_there = stand.standing == CELL_ACTIVE;
        if (stand.standing == CELL_ARRIVING ||
            (stand.standing == CELL_MOVING && strcmp(stand.move, ERASED) != 0))
                return err_set(err, ERR_TENANT_MOVING,
                               "the tenant is on its way to another store; its deletion goes on at a start "
                               "after that");
        return true;
}

/* The file goes; or, where many share a table, the rows do, and then the cell is as if it never was. */
static bool erase_cell(const struct services *services, const struct cell_ref *cell, struct err *err)
{
        struct removing removing = {&services->deletion->cells, cell->tenant};
        struct cell_stand was, next;

        if (!store_cell_stand(services->store, cell, &was, err))
                return false;
        if (was.standing == CELL_ACTIVE) {
                if (store_is_shared(services->store) &&
                    !store_write(services->store, cell, NULL, remove_all, &removing, err))
                        return false;
                next = (struct cell_stand){.standing = CELL_MOVING, .move = ERASED};
                if (!store_cell_set_stand(services->store, cell, &was, &next, err))
                        return false;
                was = next;
        }
        if (was.standing == CELL_MOVING) {
                next = (struct cell_stand){.standing = CELL_MOVED};
                if (!store_cell_set_stand(services->store, cell, &was, &next, err) ||
                    !store_cell_stand(services->store, cell, &was, err))
                        return false;
        }
        test_step("deletion: moved away");
        next = (struct cell_stand){.standing = CELL_ABSENT};
        return was.standing != CELL_MOVED || store_cell_set_stand(services->store, cell, &was, &next, err);
}

/* One of the tenant's cells; one that is gone already was buried before. */
static BLOCKING_FN bool bury_cell(struct grave *grave, struct err *err)
{
        const struct services *services = grave->services;
        ARENA_SCOPED arena = {0};
        bool there;

        arena_init(&arena, GRAVE_BYTES);
        if (!is_there(services, &grave->cell, &there, err))
                return false;
        if (there) {
                if (!log_checkpoint(services->log_signer, services->store, &grave->cell, &arena,
                                    &grave->checkpoint, err) ||
                    !store_read(services->store, &grave->cell, &arena, read_grave, grave, err) ||
                    !store_write(services->store, &CELL_DIRECTORY, NULL, write_grave, grave, err))
                        return false;
        }
        test_step("deletion: buried");
        return erase_cell(services, &grave->cell, err);
}

/* ---- finishing --------------------------------------------------------------------------------- */

struct listing {
        struct str tenant;
        struct arena *arena;
        struct str regions[REGIONS_MAX];
        size_t count;
};

static bool regions_work(struct tx *tx, void *arg, struct err *err)
{
        struct listing *listing = arg;
        SQL_SCOPED(deletion_regions) c = {0};
        struct sql_deletion_regions_row row;
        bool has;

        if (!sql_deletion_regions_open(tx, listing->tenant, &c, err))
                return false;
        while (listing->count < REGIONS_MAX) {
                if (!sql_deletion_regions_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                listing->regions[listing->count++] = row.region;
        }
        return true;
}

static bool reopen_work(struct tx *tx, void *arg, struct err *err)
{
        const struct grave *grave = arg;

        return sql_deletion_reopen(tx, grave->cell.tenant, err) &&
               places_forget_on_commit(grave->services, tx, grave->cell.tenant, err);
}

static bool forget_work(struct tx *tx, void *arg, struct err *err)
{
        const struct grave *grave = arg;
        struct removing removing = {&grave->services->deletion->directory, grave->cell.tenant};

        test_step("deletion: erased");
        return remove_all(tx, &removing, err) && sql_deletion_tenant(tx, grave->cell.tenant, err) &&
               places_forget_on_commit(grave->services, tx, grave->cell.tenant, err);
}

/* Every cell but home, then home, then the directory: until then a start finds what is left to do. */
static BLOCKING_FN bool bury_all(struct grave *home, struct arena *arena, struct err *err)
{
        struct listing listing = {.tenant = home->cell.tenant, .arena = arena};
        struct store *store = home->services->store;

        if (!store_read(store, &CELL_DIRECTORY, arena, regions_work, &listing, err))
                return false;
        for (size_t i = 0; i < listing.count; i++) {
                struct grave grave = {.services = home->services,
                                      .cell = {home->cell.tenant, listing.regions[i]},
                                      .action = home->action,
                                      .envelope = home->envelope};

                if (str_eq(listing.regions[i], home->cell.region))
                        continue;
                if (!regions_serves(home->services, listing.regions[i]))
                        return err_set(
                                err, ERR_WRONG_REGION,
                                "the tenant has a cell in the region %.*s: its deletion goes on when a "
                                "node that serves both starts",
                                STR_ARG(listing.regions[i]));
                if (!bury_cell(&grave, err))
                        return false;
        }
        return bury_cell(home, err) && store_write(store, &CELL_DIRECTORY, NULL, forget_work, home, err);
}

/* Goes on from what the directory says: back, if the cell does not know of it; else to the end. */
static BLOCKING_FN bool settle(const struct services *services, const struct cell_ref *home,
                               struct str action, struct err *err)
{
        struct grave grave = {.services = services, .cell = *home, .action = action, .envelope = STR("")};
        struct deletion *deletion = services->deletion;
        ARENA_SCOPED arena = {0};
        bool exists, ok;

        arena_init(&arena, GRAVE_BYTES);
        if (!is_there(services, home, &exists, err))
                return false;
        if (exists && !store_read(services->store, home, &arena, is_closed_work, &grave, err))
                return false;
        if (exists && !grave.closed)
                return store_write(services->store, &CELL_DIRECTORY, NULL, reopen_work, &grave, err);
        (void)pthread_mutex_lock(&deletion->lock);
        ok = bury_all(&grave, &arena, err);
        (void)pthread_mutex_unlock(&deletion->lock);
        if (ok)
                log_line(LOG_WARN, "a tenant was deleted, as its own people had approved",
                         LOG_STR("tenant", home->tenant), LOG_STR("action", action));
        return ok;
}

static bool finish(const struct control_run *run, struct err *err)
{
        return !run->ready || settle(run->services, &run->cell, run->action, err);
}

const struct control_operation deletion_tenant = {
        .name = "tenant.delete",
        .resolve = resolve,
        .prepare = prepare,
        .run = run,
        .finish = finish,
};

/* ---- the start and the end --------------------------------------------------------------------- */

bool deletion_start(const struct services *services, struct control *control, struct deletion **ret,
                    struct err *err)
{
        struct deletion *deletion = heap_alloc_zeroed(1, sizeof(*deletion));

        (void)services;
        *ret = NULL;
        if (!deletion)
                return err_set(err, ERR_NO_MEMORY, "no memory to start");
        arena_init(&deletion->arena, SCHEMA_BYTES);
        (void)pthread_mutex_init(&deletion->lock, NULL);
        *ret = deletion;
        if (!schema_read(false, &deletion->arena, &deletion->cells, err) ||
            !schema_read(true, &deletion->arena, &deletion->directory, err))
                return false;
        control_register(control, &deletion_workspace);
        control_register(control, &deletion_tenant);
        return true;
}

void deletion_free(struct deletion *deletion)
{
        if (!deletion)
                return;
        (void)pthread_mutex_destroy(&deletion->lock);
        arena_done(&deletion->arena);
        heap_free(deletion);
}

struct resuming {
        struct sql_deletion_closing_row rows[RESUME_MAX];
        size_t count;
};

static bool closing_work(struct tx *tx, void *arg, struct err *err)
{
        struct resuming *resuming = arg;
        SQL_SCOPED(deletion_closing) c = {0};
        bool has;

        if (!sql_deletion_closing_open(tx, RESUME_MAX, &c, err))
                return false;
        while (resuming->count < RESUME_MAX) {
                if (!sql_deletion_closing_next(&c, &resuming->rows[resuming->count], &has, err))
                        return false;
                if (!has)
                        break;
                resuming->count++;
        }
        return true;
}

BLOCKING_FN bool deletion_resume(const struct services *services, struct err *err)
{
        struct resuming resuming = {0};
        ARENA_SCOPED arena = {0};
        struct err why;

        arena_init(&arena, GRAVE_BYTES);
        if (!store_read(services->store, &CELL_DIRECTORY, &arena, closing_work, &resuming, err))
                return false;
        for (size_t i = 0; i < resuming.count; i++) {
                const struct sql_deletion_closing_row *row = &resuming.rows[i];
                struct cell_ref home = {.tenant = row->id, .region = row->region};

                if (regions_serves(services, row->region) &&
                    !settle(services, &home, row->closing_action, &why))
                        log_line(LOG_ERROR, "a tenant's deletion cannot go on", LOG_STR("tenant", row->id),
                                 LOG_C("error", why.message));
        }
        return true;
}
