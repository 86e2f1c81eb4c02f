/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/rotation_nodes.h"

#include "base/clock.h"
#include "base/heap.h"
#include "base/id.h"
#include "base/log_line.h"
#include "base/test_hooks.h"
#include "crypto/courier.h"
#include "crypto/envelope.h"
#include "crypto/sha256.h"
#include "keys/rotation_nodes_sql.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum {
        NODES_MAX = 256,
        LEASE_MS = 10000,
        BUSY_PAUSE_MS = 100,
        QUIET_PAUSE_MS = 1000,
        SCRATCH_BYTES = 1 << 20,
};

#define SETTLED STR("settled")
#define OFFERED STR("offered")
#define WRAPPING STR("wrapping")

/* Another node, as it was last seen. */
struct seen {
        struct id id;
        int64_t steps;
        int64_t since_us;
};

struct root_nodes {
        struct store *store;
        struct envelope *envelope;
        struct root_nodes_owner owner;
        struct courier *courier;
        struct id id;
        uint8_t proof[SHA256_SIZE];
        int64_t lease_us, dead_us;
        unsigned quiet_ms; /* between two steps when nothing is to be done */
        atomic_uint waiting;
        pthread_mutex_t lock; /* of the key file: one changes it at a time */
        /* The stepping thread's own. */
        int64_t done; /* the version under which all that this node serves is */
        int64_t round_us, beat_us;
        bool lost;
        struct seen seen[NODES_MAX];
        size_t seen_count;
};

typedef char key_id[ENVELOPE_KEY_ID_SIZE];

/* What this node has, by its key file. */
struct own {
        uint32_t current, previous, next;
        key_id current_id, next_id;
};

static void look_at_own(const struct root_nodes *nodes, struct own *ret)
{
        ret->current = envelope_current_version(nodes->envelope);
        ret->previous = envelope_previous_version(nodes->envelope);
        ret->next = envelope_next_version(nodes->envelope);
        envelope_key_id(nodes->envelope, ret->current, ret->current_id);
        envelope_key_id(nodes->envelope, ret->next, ret->next_id);
}

static struct str knows(const struct own *own)
{
        return str_from(own->next != 0 ? own->next_id : own->current_id);
}

/* That a node has the derivation secret; so only a node can be sent a key. */
static bool prove(const struct root_nodes *nodes, struct str id, struct str public_key,
                  uint8_t ret[SHA256_SIZE], struct err *err)
{
        uint8_t key[32];
        struct sha256 mac, inner;

        if (!envelope_derive(nodes->envelope, envelope_derive_version(nodes->envelope), STR("root-node"),
                             key, err))
                return false;
        hmac_sha256(str_make(key, sizeof(key)), id, &inner);
        hmac_sha256(sha256_str(&inner), public_key, &mac);
        explicit_bzero(key, sizeof(key));
        memcpy(ret, sha256_str(&mac).ptr, SHA256_SIZE);
        return true;
}

/* ---- one look at the directory, in a write ------------------------------------------------------ */

struct look {
        struct root_nodes *nodes;
        struct own own;
        int64_t now_us;
        struct sql_root_rotation_get_row at; /* how it stands when the transaction ends */
        struct sql_root_node_list_row rows[NODES_MAX];
        size_t count;
        struct str offer; /* to this node */
        bool joins;       /* its first look */
};

static bool enter_self(struct look *look, struct tx *tx, struct err *err)
{
        const struct root_nodes *nodes = look->nodes;

        return sql_root_node_insert(tx, id_str(&nodes->id), courier_public(nodes->courier),
                                    str_make(nodes->proof, SHA256_SIZE), knows(&look->own),
                                    str_from(look->own.current_id), nodes->done, err);
}

/* The first node of a store says which key it has; a file with a previous key was in the middle of a
 * rotation. */
static bool read_rotation(struct look *look, struct tx *tx, struct err *err)
{
        bool found;

        for (int i = 0; i < 2; i++) {
                if (!sql_root_rotation_get(tx, &look->at, &found, err))
                        return false;
                if (found)
                        return true;
                if (!sql_root_rotation_insert(tx, look->own.current, str_from(look->own.current_id),
                                              look->own.previous != 0 ? WRAPPING : SETTLED, err))
                        return false;
        }
        return err_set(err, ERR_INTERNAL, "how the root key stands could not be written");
}

static bool read_nodes(struct look *look, struct tx *tx, struct err *err)
{
        SQL_SCOPED(root_node_list) c = {0};
        bool has;

        if (!sql_root_node_list_open(tx, &c, err))
                return false;
        for (look->count = 0;; look->count++) {
                if (look->count == NODES_MAX)
                        return err_set(err, ERR_LIMIT_REACHED, "more than %d nodes use this store",
                                       NODES_MAX);
                if (!sql_root_node_list_next(&c, &look->rows[look->count], &has, err))
                        return false;
                if (!has)
                        return true;
                if (str_eq(look->rows[look->count].id, id_str(&look->nodes->id)))
                        look->offer = look->rows[look->count].offer;
        }
}

static bool is_dead(struct root_nodes *nodes, const struct sql_root_node_list_row *row, int64_t now_us)
{
        for (size_t i = 0; i < nodes->seen_count; i++) {
                struct seen *seen = &nodes->seen[i];

                if (!str_eq(row->id, id_str(&seen->id)))
                        continue;
                if (seen->steps != row->steps)
                        *seen = (struct seen){seen->id, row->steps, now_us};
                return now_us - seen->since_us >= nodes->dead_us;
        }
        if (nodes->seen_count < NODES_MAX)
                nodes->seen[nodes->seen_count++] = (struct seen){id_from(row->id), row->steps, now_us};
        return false;
}

/* Those that are gone are not waited for. */
static bool bury(struct look *look, struct tx *tx, struct err *err)
{
        struct root_nodes *nodes = look->nodes;
        size_t kept = 0;

        for (size_t i = 0; i < look->count; i++) {
                const struct sql_root_node_list_row *row = &look->rows[i];
                int64_t changes = 0;

                if (!str_eq(row->id, id_str(&nodes->id)) && is_dead(nodes, row, look->now_us) &&
                    !sql_root_node_bury(tx, row->id, row->steps, &changes, err))
                        return false;
                if (changes == 0)
                        look->rows[kept++] = *row;
        }
        look->count = kept;
        return true;
}

static bool move(struct look *look, struct tx *tx, int64_t version, struct str id, struct str state,
                 struct err *err)
{
        int64_t changes;

        if (!sql_root_rotation_move(tx, version, id, state, look->at.key_id, look->at.state, &changes, err))
                return false;
        if (changes == 1) {
                look->at.version = version;
                look->at.key_id = arena_str(tx_arena(tx), id);
                look->at.state = state;
        }
        return arena_check(tx_arena(tx), err);
}

/* The key and its place belong together. */
static struct str offer_context(struct arena *arena, struct str node, int64_t version)
{
        return arena_printf(arena, "countersign root key v1 %.*s %lld", STR_ARG(node), (long long)version);
}

static bool send_key(struct look *look, struct tx *tx, const struct sql_root_node_list_row *to,
                     struct err *err)
{
        struct root_nodes *nodes = look->nodes;
        uint8_t proof[SHA256_SIZE];
        struct str key, sealed;
        ARENA_SCOPED secrets = {0};

        if (!prove(nodes, to->id, to->public_key, proof, err))
                return false;
        if (!str_eq_secret(to->proof, str_make(proof, sizeof(proof)))) {
                log_line(LOG_WARN, "a node cannot be sent the root key: it does not have this one's",
                         LOG_STR("node", to->id));
                return true;
        }
        arena_init_zeroing(&secrets, 4096);
        return envelope_copy_next(nodes->envelope, &secrets, &key, err) &&
               courier_seal(tx_arena(tx), to->public_key,
                            offer_context(tx_arena(tx), to->id, look->at.version), key, &sealed, err) &&
               sql_root_node_offer(tx, to->id, sealed, err);
}

/* Every live node must have the key before any wraps with it. */
static bool go_on_offering(struct look *look, struct tx *tx, struct err *err)
{
        bool knows_it = str_is(look->at.key_id, look->own.next_id), known = knows_it;
        unsigned lacking = 0;

        for (size_t i = 0; i < look->count; i++) {
                const struct sql_root_node_list_row *row = &look->rows[i];
                bool has = str_eq(row->id, id_str(&look->nodes->id)) ? knows_it
                                                                     : str_eq(row->knows, look->at.key_id);

                known = known || has;
                lacking += !has;
                if (!has && knows_it && !row->offer.ptr && !send_key(look, tx, row, err))
                        return false;
        }
        look->nodes->waiting = lacking;
        if (!known)
                return sql_root_node_offers_clear(tx, err) &&
                       move(look, tx, look->own.current, str_from(look->own.current_id), SETTLED, err);
        return lacking > 0 || !knows_it || move(look, tx, look->at.version, look->at.key_id, WRAPPING, err);
}

/* Every live node must wrap with it, and every region be done, before the older one is erased. */
static bool go_on_wrapping(struct look *look, struct tx *tx, struct err *err)
{
        struct sql_root_region_left_row left;
        unsigned lacking = 0;
        bool found;

        for (size_t i = 0; i < look->count; i++) {
                const struct sql_root_node_list_row *row = &look->rows[i];
                bool own = str_eq(row->id, id_str(&look->nodes->id));

                lacking += !str_eq(own ? str_from(look->own.current_id) : row->wraps, look->at.key_id) ||
                           (own ? look->nodes->done : row->done) < look->at.version;
        }
        look->nodes->waiting = lacking;
        if (lacking > 0)
                return true;
        if (!sql_root_region_left(tx, look->at.version, &left, &found, err))
                return false;
        return left.regions > 0 || (sql_root_node_offers_clear(tx, err) &&
                                    move(look, tx, look->at.version, look->at.key_id, SETTLED, err));
}

static bool look_work(struct tx *tx, void *arg, struct err *err)
{
        struct look *look = arg;
        int64_t changes = 0;

        if (!look->joins &&
            !sql_root_node_step(tx, id_str(&look->nodes->id), knows(&look->own),
                                str_from(look->own.current_id), look->nodes->done, &changes, err))
                return false;
        if ((changes == 0 && !enter_self(look, tx, err)) || !read_rotation(look, tx, err) ||
            !read_nodes(look, tx, err) || !bury(look, tx, err))
                return false;
        look->nodes->waiting = 0;
        if (str_eq(look->at.state, OFFERED))
                return go_on_offering(look, tx, err);
        return !str_eq(look->at.state, WRAPPING) || go_on_wrapping(look, tx, err);
}

static bool look_around(struct root_nodes *nodes, struct arena *arena, bool joins, struct look *ret,
                        struct err *err)
{
        *ret = (struct look){.nodes = nodes, .now_us = clock_boot_us(), .joins = joins};
        look_at_own(nodes, &ret->own);
        return store_write(nodes->store, &CELL_DIRECTORY, arena, look_work, ret, err);
}

/* ---- what follows from it ------------------------------------------------------------------------ */

/* Whether this node lacks the key that others wrap with already. */
static bool is_lost(const struct look *look)
{
        return !str_eq(look->at.state, OFFERED) && !str_is(look->at.key_id, look->own.current_id) &&
               !str_is(look->at.key_id, look->own.next_id);
}

static bool lost_error(const struct look *look, struct err *err)
{
        return err_set(err, ERR_CONFIG,
                       "this node's root key is version %u, and the store's nodes use another one, version "
                       "%lld: give this node the root.key of one that runs, and start it again",
                       look->own.current, (long long)look->at.version);
}

static void end_lost(struct root_nodes *nodes, const struct look *look)
{
        struct err err;

        if (nodes->lost)
                return;
        nodes->lost = true;
        envelope_lease(nodes->envelope, 0);
        (void)lost_error(look, &err);
        log_line(LOG_ERROR, "this node ends: its root key is not the others'", LOG_C("why", err.message));
        (void)kill(getpid(), SIGTERM);
}

static bool take_offer(struct root_nodes *nodes, const struct look *look, struct err *err)
{
        ARENA_SCOPED secrets;
        struct str key;

        arena_init_zeroing(&secrets, 16384);
        test_step("before the offered root key is taken");
        if (!courier_open(&secrets, nodes->courier,
                          offer_context(&secrets, id_str(&nodes->id), look->at.version), look->offer, &key,
                          err) ||
            !envelope_stage(nodes->envelope, (uint32_t)look->at.version, key, err))
                return false;
        test_step("after the offered root key is taken");
        return true;
}

struct beat {
        struct root_nodes *nodes;
        struct own own;
        int64_t changes;
};

static bool beat_work(struct tx *tx, void *arg, struct err *err)
{
        struct beat *beat = arg;

        return sql_root_node_step(tx, id_str(&beat->nodes->id), knows(&beat->own),
                                  str_from(beat->own.current_id), beat->nodes->done, &beat->changes, err);
}

struct done {
        const struct root_regions *regions;
        int64_t version;
};

static bool done_work(struct tx *tx, void *arg, struct err *err)
{
        const struct done *done = arg;

        for (size_t i = 0; i < done->regions->count; i++)
                if (!sql_root_region_put(tx, done->regions->names[i], done->version, err))
                        return false;
        return true;
}

/* Everybody has it, so whatever is wrapped from here on is under it. */
static bool wrap_anew(struct root_nodes *nodes, const struct look *look, struct arena *arena,
                      struct err *err)
{
        struct root_regions regions = {.count = 0};
        struct done done = {&regions, look->at.version};

        nodes->round_us = look->now_us;
        if (!nodes->owner.go_round(nodes->owner.arg, arena, &regions, err) ||
            !store_write(nodes->store, &CELL_DIRECTORY, arena, done_work, &done, err))
                return false;
        nodes->done = look->at.version;
        return true;
}

static bool all_wrap(const struct look *look)
{
        for (size_t i = 0; i < look->count; i++)
                if (!str_eq(look->rows[i].wraps, look->at.key_id))
                        return false;
        return true;
}

/* Changes this node's own key file to what the look says. *ret_changed: there is something to report. */
static bool follow(struct root_nodes *nodes, const struct look *look, bool *ret_changed, struct err *err)
{
        const struct own *own = &look->own;
        bool is_next = own->next != 0 && str_is(look->at.key_id, own->next_id);
        bool is_current = str_is(look->at.key_id, own->current_id);

        *ret_changed = true;
        if (str_eq(look->at.state, OFFERED) && !is_next && look->offer.ptr)
                return take_offer(nodes, look, err);
        if (!str_eq(look->at.state, OFFERED) && is_next) {
                test_step("before the next root key is used");
                return envelope_promote(nodes->envelope, err);
        }
        if (str_eq(look->at.state, SETTLED) && own->next != 0)
                return envelope_unstage(nodes->envelope, err);
        if (str_eq(look->at.state, SETTLED) && is_current && own->previous != 0) {
                test_step("before the old root key is retired");
                log_line(LOG_INFO, "nothing is under the old root key any more; it is erased",
                         LOG_INT("version", own->previous));
                return envelope_retire(nodes->envelope, err);
        }
        *ret_changed = false;
        return true;
}

/* Also when all are done, but a region is not: what was being made there may be made by now. */
static bool is_rounds_turn(const struct root_nodes *nodes, const struct look *look)
{
        return str_eq(look->at.state, WRAPPING) && str_is(look->at.key_id, look->own.current_id) &&
               all_wrap(look) &&
               (nodes->done < look->at.version ||
                (nodes->waiting == 0 && look->now_us - nodes->round_us > QUIET_PAUSE_MS * INT64_C(1000)));
}

bool root_nodes_beat(struct root_nodes *nodes, struct err *err)
{
        int64_t now_us = clock_boot_us();
        struct beat beat = {.nodes = nodes};

        if (now_us - nodes->beat_us < nodes->lease_us / 10)
                return true;
        look_at_own(nodes, &beat.own);
        if (!store_write(nodes->store, &CELL_DIRECTORY, NULL, beat_work, &beat, err))
                return false;
        if (beat.changes != 1)
                return err_set(err, ERR_STORE_BUSY, "this node counted as gone meanwhile");
        nodes->beat_us = now_us;
        envelope_lease(nodes->envelope, now_us + nodes->lease_us);
        return true;
}

/* With the lock. */
static bool look_and_follow(struct root_nodes *nodes, struct arena *arena, struct look *ret,
                            bool *ret_changed, struct err *err)
{
        *ret_changed = false;
        if (!look_around(nodes, arena, false, ret, err))
                return false;
        if (is_lost(ret)) {
                end_lost(nodes, ret);
                return true;
        }
        nodes->beat_us = ret->now_us;
        envelope_lease(nodes->envelope, ret->now_us + nodes->lease_us);
        return follow(nodes, ret, ret_changed, err);
}

bool root_nodes_step(struct root_nodes *nodes, unsigned *ret_pause_ms, struct err *err)
{
        ARENA_SCOPED arena = {0};
        struct look seen;
        bool changed, ok;

        *ret_pause_ms = nodes->quiet_ms;
        if (nodes->lost)
                return true;
        arena_init(&arena, SCRATCH_BYTES);
        (void)pthread_mutex_lock(&nodes->lock);
        ok = look_and_follow(nodes, &arena, &seen, &changed, err);
        (void)pthread_mutex_unlock(&nodes->lock);
        if (!ok || nodes->lost)
                return ok;
        if (!changed && is_rounds_turn(nodes, &seen)) {
                if (!wrap_anew(nodes, &seen, &arena, err))
                        return false;
                changed = true;
        }
        *ret_pause_ms = changed ? 0 : str_eq(seen.at.state, SETTLED) ? nodes->quiet_ms : BUSY_PAUSE_MS;
        return true;
}

/* ---- the doors ----------------------------------------------------------------------------------- */

struct begin {
        struct root_nodes *nodes;
        struct own own;
        bool alone, begun;
};

static bool begin_work(struct tx *tx, void *arg, struct err *err)
{
        struct begin *begin = arg;
        const struct own *own = &begin->own;
        struct str id = id_str(&begin->nodes->id);
        int64_t changes;

        if (!sql_root_rotation_move(tx, own->next, str_from(own->next_id), begin->alone ? WRAPPING : OFFERED,
                                    str_from(own->current_id), SETTLED, &changes, err))
                return false;
        begin->begun = changes == 1;
        /* So that nobody finds an offer which nobody alive can make. */
        return !begin->begun || sql_root_node_step(tx, id, str_from(own->next_id), str_from(own->current_id),
                                                   begin->nodes->done, &changes, err);
}

/* A busy directory is asked again: the file has the next key already. */
static bool write_begin(struct begin *begin, struct err *err)
{
        enum { TRIES = 5 };
        bool ok = false;

        for (int i = 0; i < TRIES && !ok; i++) {
                ok = store_write(begin->nodes->store, &CELL_DIRECTORY, NULL, begin_work, begin, err);
                if (!ok && err->code != ERR_STORE_BUSY)
                        break;
        }
        if (ok && !begin->begun)
                ok = err_set(err, ERR_CONFLICT, "another node has begun a rotation of the root key");
        return ok;
}

bool root_nodes_begin(struct root_nodes *nodes, bool alone, struct err *err)
{
        struct begin begin = {.nodes = nodes, .alone = alone};
        struct err ignored;
        bool ok;

        (void)pthread_mutex_lock(&nodes->lock);
        ok = envelope_stage_new(nodes->envelope, err);
        if (ok) {
                test_step("after the next root key is written");
                look_at_own(nodes, &begin.own);
                ok = write_begin(&begin, err);
                /* What may have been committed all the same, the next step finds. */
                if (!ok && err->code != ERR_WRITE_UNCERTAIN)
                        (void)!envelope_unstage(nodes->envelope, &ignored);
                test_step("after the next root key is offered");
        }
        (void)pthread_mutex_unlock(&nodes->lock);
        return ok;
}

unsigned root_nodes_waiting(struct root_nodes *nodes)
{
        return nodes->waiting;
}

/* In test builds a test may have less patience. */
static int64_t lease_ms(void)
{
#ifdef COUNTERSIGN_TEST_HOOKS
        const char *text = getenv("COUNTERSIGN_ROOT_LEASE_MS");
        int64_t wanted;

        if (text && str_to_i64(str_from(text), &wanted) && wanted > 0)
                return wanted;
#endif
        return LEASE_MS;
}

static void free_nodes(struct root_nodes *nodes)
{
        courier_free(nodes->courier);
        (void)pthread_mutex_destroy(&nodes->lock);
        heap_free(nodes);
}

bool root_nodes_join(struct store *store, struct envelope *envelope, const struct root_nodes_owner *owner,
                     struct root_nodes **ret, struct err *err)
{
        struct root_nodes *nodes = heap_alloc_zeroed(1, sizeof(*nodes));
        ARENA_SCOPED arena = {0};
        struct look seen;

        *ret = NULL;
        if (!nodes)
                return err_set(err, ERR_NO_MEMORY, "no memory to start");
        nodes->store = store;
        nodes->envelope = envelope;
        nodes->owner = *owner;
        nodes->id = id_new("nod");
        nodes->lease_us = lease_ms() * 1000;
        nodes->dead_us = nodes->lease_us + nodes->lease_us / 2;
        nodes->quiet_ms = (unsigned)(nodes->lease_us / 4000 < QUIET_PAUSE_MS ? nodes->lease_us / 4000
                                                                             : QUIET_PAUSE_MS);
        (void)pthread_mutex_init(&nodes->lock, NULL);
        arena_init(&arena, SCRATCH_BYTES);
        if (!courier_new(&nodes->courier, err) ||
            !prove(nodes, id_str(&nodes->id), courier_public(nodes->courier), nodes->proof, err) ||
            !look_around(nodes, &arena, true, &seen, err)) {
                free_nodes(nodes);
                return false;
        }
        if (is_lost(&seen)) {
                root_nodes_leave(nodes);
                return lost_error(&seen, err);
        }
        envelope_lease(envelope, seen.now_us + nodes->lease_us);
        *ret = nodes;
        return true;
}

static bool leave_work(struct tx *tx, void *arg, struct err *err)
{
        const struct root_nodes *nodes = arg;

        return sql_root_node_leave(tx, id_str(&nodes->id), err);
}

void root_nodes_leave(struct root_nodes *nodes)
{
        struct err err;

        if (!nodes)
                return;
        /* Without it the others wait until this node counts as gone. */
        (void)!store_write(nodes->store, &CELL_DIRECTORY, NULL, leave_work, nodes, &err);
        free_nodes(nodes);
}
