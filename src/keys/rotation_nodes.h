/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rotation of the root key when several nodes share a store: no node wraps
 * under a key that another live one cannot open.
 *
 *   settled ──► offered ──► wrapping ──► settled
 *
 *   offered   the node that was asked has a next key and sends it to each other
 *             one (crypto/courier.h) by its row in the directory. A node that has
 *             it, durable in its own key file, says so.
 *   wrapping  every live node has it: all promote it, and wrap anew what is in
 *             their regions.
 *   settled   every region is done and every live node wraps with it: all erase
 *             the one before.
 *
 * Each step is a conditional change of one row, which any node that has the key
 * may make; so no node's death stops it. When nobody alive has the next key, the
 * offer is taken back.
 *
 * A node lives as long as it counts up its steps. One that has not for
 * dead_ms is not waited for; so that this is safe, a node whose own last step is
 * older than lease_ms wraps nothing (envelope_lease). One that finds that the
 * others have a key which it lacks ends, and does not start again before it has it.
 */
#pragma once

#include "store/store.h"

struct envelope;
struct root_nodes;

/* Which regions were gone through; their names are in the arena of the caller. */
struct root_regions {
        struct str names[64];
        size_t count;
};

struct root_nodes_owner {
        void *arg;
        /* Wraps all that this node serves anew. False: not everything; it is called again. */
        bool (*go_round)(void *arg, struct arena *arena, struct root_regions *ret, struct err *err);
};

/* Enters this node. CONFIG when the others have another root key. */
bool root_nodes_join(struct store *store, struct envelope *envelope, const struct root_nodes_owner *owner,
                     struct root_nodes **ret, struct err *err) MUST_USE;
/* The row goes. NULL is fine. */
void root_nodes_leave(struct root_nodes *nodes);

/*
 * One step; ret_pause_ms: how soon the next one is due. On one thread. False: the
 * directory cannot be reached.
 */
bool root_nodes_step(struct root_nodes *nodes, unsigned *ret_pause_ms, struct err *err) MUST_USE;

/* For a long round: counts up, now and then. False: this node has counted as gone, or the directory cannot
 * be reached. */
bool root_nodes_beat(struct root_nodes *nodes, struct err *err) MUST_USE;

/*
 * Begins a rotation. `alone`: the others are not waited for, and end. CONFLICT while
 * one goes on. Blocks. On any thread.
 */
bool root_nodes_begin(struct root_nodes *nodes, bool alone, struct err *err) MUST_USE;
/* How many live nodes have not done yet what the rotation waits for. Any thread. */
unsigned root_nodes_waiting(struct root_nodes *nodes);
