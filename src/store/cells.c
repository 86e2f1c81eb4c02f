/* SPDX-License-Identifier: Apache-2.0 */
#include "store/internal.h"

#include "base/heap.h"

#include <malloc.h>

enum {
        TABLE_START = 256,
        HOT_CELLS = 32, /* the most recently used keep their page caches and prepared statements */
        CLOSES_PER_TRIM = 256,
};

static bool name_ok(struct str name, size_t max)
{
        if (name.len == 0 || name.len > max)
                return false;
        for (size_t i = 0; i < name.len; i++) {
                char c = name.ptr[i];
                bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
                if (!ok)
                        return false;
        }
        return true;
}

bool cell_ref_check(const struct cell_ref *ref, struct err *err)
{
        if (ref->tenant.len == 0 && ref->region.len == 0)
                return true; /* the directory */
        if (!name_ok(ref->tenant, TENANT_MAX))
                return err_set(err, ERR_BAD_PARAMETER,
                               "a tenant's id has up to %d lower-case letters, digits, '_' and '-'",
                               TENANT_MAX);
        if (!name_ok(ref->region, REGION_MAX))
                return err_set(err, ERR_BAD_PARAMETER,
                               "a region's name has up to %d lower-case letters, digits, '_' and '-'",
                               REGION_MAX);
        return true;
}

/* FNV-1a. Both names are chosen by the operator or by us, so no keyed hash is needed. */
static uint64_t ref_hash(const struct cell_ref *ref)
{
        uint64_t hash = 0xcbf29ce484222325u;

        for (size_t i = 0; i < ref->tenant.len; i++)
                hash = (hash ^ (unsigned char)ref->tenant.ptr[i]) * 0x100000001b3u;
        for (size_t i = 0; i < ref->region.len; i++)
                hash = (hash ^ (unsigned char)ref->region.ptr[i]) * 0x100000001b3u;
        return hash ^ (hash >> 32);
}

static bool table_grow(struct store *store, struct err *err)
{
        size_t size = store->table_size ? store->table_size * 2 : TABLE_START;
        struct cell **table = heap_alloc_zeroed(size, sizeof(struct cell *));

        if (!table)
                return store->table_size > 0 || err_set(err, ERR_NO_MEMORY, "no memory for the cells");
        for (size_t i = 0; i < store->table_size; i++) {
                while (store->table[i]) {
                        struct cell *cell = store->table[i];
                        store->table[i] = cell->hash_next;
                        cell->hash_next = table[cell->hash & (size - 1)];
                        table[cell->hash & (size - 1)] = cell;
                }
        }
        heap_free(store->table);
        store->table = table;
        store->table_size = size;
        return true;
}

struct cell *cell_get(struct store *store, const struct cell_ref *ref, struct err *err)
{
        uint64_t hash = ref_hash(ref);
        struct cell *cell;

        if (store->cell_count >= store->table_size && !table_grow(store, err))
                return NULL;
        struct cell **bucket = &store->table[hash & (store->table_size - 1)];
        for (cell = *bucket; cell; cell = cell->hash_next) {
                if (cell->hash == hash && str_eq(cell->ref.tenant, ref->tenant) &&
                    str_eq(cell->ref.region, ref->region))
                        return cell;
        }
        if (!cell_ref_check(ref, err))
                return NULL;
        cell = heap_alloc_zeroed(1, sizeof(*cell));
        if (!cell) {
                err_set(err, ERR_NO_MEMORY, "no memory for a cell");
                return NULL;
        }
        if (ref->tenant.len > 0) {
                memcpy(cell->tenant, ref->tenant.ptr, ref->tenant.len);
                memcpy(cell->region, ref->region.ptr, ref->region.len);
        }
        cell->ref.tenant = str_make(cell->tenant, ref->tenant.len);
        cell->ref.region = str_make(cell->region, ref->region.len);
        cell->hash = hash;
        cell->hash_next = *bucket;
        *bucket = cell;
        store->cell_count++;
        return cell;
}

static void cell_free(struct store *store, struct cell *cell)
{
        struct cell **at = &store->table[cell->hash & (store->table_size - 1)];

        while (*at != cell)
                at = &(*at)->hash_next;
        *at = cell->hash_next;
        store->cell_count--;
        heap_free(cell);
}

void lru_remove(struct store *store, struct cell *cell)
{
        if (!cell->in_lru)
                return;
        *(cell->newer ? &cell->newer->older : &store->lru_newest) = cell->older;
        *(cell->older ? &cell->older->newer : &store->lru_oldest) = cell->newer;
        cell->newer = cell->older = NULL;
        cell->in_lru = false;
}

static bool cell_is_idle(const struct cell *cell)
{
        return !cell->writing && cell->reading == 0 && !cell->write_queued && !cell->read_queued &&
               cell->writes.count == 0 && cell->reads.count == 0;
}

void cell_settle(struct store *store, struct cell *cell)
{
        if (cell->writing || cell->reading > 0)
                return;
        if (cell->write_conn || cell->read_conns) {
                lru_remove(store, cell);
                cell->older = store->lru_newest;
                *(cell->older ? &cell->older->newer : &store->lru_oldest) = cell;
                store->lru_newest = cell;
                cell->in_lru = true;
                cell->trimmed = false;
        } else if (cell_is_idle(cell)) {
                lru_remove(store, cell);
                cell_free(store, cell);
        }
}

/* Takes all connections from a cell that no worker runs. */
static struct conn *cell_detach(struct store *store, struct cell *cell)
{
        struct conn *list = cell->read_conns;

        cell->read_conns = NULL;
        if (cell->write_conn) {
                /* Closed last, so that it is the writer that takes the write-ahead log in. */
                struct conn **end = &list;
                while (*end)
                        end = &(*end)->next;
                *end = cell->write_conn;
                cell->write_conn->next = NULL;
                cell->write_conn = NULL;
        }
        for (const struct conn *conn = list; conn; conn = conn->next) {
                store->handles_open--;
                pthread_mutex_lock(&store->stats_lock);
                store->stats.closes++;
                pthread_mutex_unlock(&store->stats_lock);
        }
        lru_remove(store, cell);
        if (cell_is_idle(cell))
                cell_free(store, cell);
        return list;
}

static void conns_close(struct conn *list)
{
        while (list) {
                struct conn *next = list->next;
                list->driver->close(list);
                list = next;
        }
}

/*
 * When one more cell is opened, another falls out of the hot ones. It keeps its
 * connections, since opening is what costs most, but not what they have cached.
 */
static void trim_one(struct store *store)
{
        struct cell *cell = store->lru_newest;

        for (int i = 0; cell && i < HOT_CELLS; i++)
                cell = cell->older;
        if (!cell || cell->trimmed)
                return;
        if (cell->write_conn)
                cell->write_conn->driver->trim(cell->write_conn);
        for (struct conn *conn = cell->read_conns; conn; conn = conn->next)
                conn->driver->trim(conn);
        cell->trimmed = true;
}

struct conn *cell_connect(struct store *store, struct cell *cell, bool is_write, struct err *err)
{
        struct conn *victims = NULL, *conn = NULL;
        bool trim_heap = false;

        pthread_mutex_lock(&store->lock);
        if (store->handles_open >= store->handles_max && store->lru_oldest) {
                victims = cell_detach(store, store->lru_oldest);
                trim_heap = ++store->evictions % CLOSES_PER_TRIM == 0;
        }
        trim_one(store);
        store->handles_open++;
        pthread_mutex_unlock(&store->lock);
        conns_close(victims);
        /* Handles come and go on several threads; without this, half of the heap is holes in the end. */
        if (trim_heap)
                malloc_trim(0);

        bool ok = store->driver->open(store->state, &cell->ref, is_write, &conn, err);
        pthread_mutex_lock(&store->lock);
        if (ok) {
                pthread_mutex_lock(&store->stats_lock);
                store->stats.opens++;
                pthread_mutex_unlock(&store->stats_lock);
        } else {
                store->handles_open--;
        }
        pthread_mutex_unlock(&store->lock);
        return ok ? conn : NULL;
}

void cell_disconnect(struct store *store, struct conn *conn)
{
        conn->driver->close(conn);
        pthread_mutex_lock(&store->lock);
        store->handles_open--;
        pthread_mutex_lock(&store->stats_lock);
        store->stats.closes++;
        pthread_mutex_unlock(&store->stats_lock);
        pthread_mutex_unlock(&store->lock);
}

void cell_forget(struct store *store, const struct cell_ref *ref)
{
        struct conn *list = NULL;
        struct cell *cell;
        struct err err;

        pthread_mutex_lock(&store->lock);
        cell = cell_get(store, ref, &err);
        if (cell && !cell->writing && cell->reading == 0)
                list = cell_detach(store, cell);
        pthread_mutex_unlock(&store->lock);
        conns_close(list);
}

void cells_free(struct store *store)
{
        for (size_t i = 0; i < store->table_size; i++) {
                while (store->table[i]) {
                        struct cell *cell = store->table[i];
                        struct conn *list = cell_detach(store, cell);
                        conns_close(list);
                        /* cell_detach has freed the cell: no worker runs, nothing waits. */
                }
        }
        heap_free(store->table);
        store->table = NULL;
        store->table_size = 0;
}
