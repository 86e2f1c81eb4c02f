/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which nodes of a shared store live. Each counts up its beats in the
 * directory; one whose count stands still while the others see it again and
 * again is buried by one of them, which takes over the cells that it watched:
 * within NODES_TAKEOVER_MS, when the database answers. No clock is compared.
 *
 * A node that was buried though it lives (it had been stopped, or cut off)
 * finds its row gone, registers anew and is told to write down its cells again.
 */
#pragma once

#include "store/store.h"

struct services;
struct nodes;

enum { NODES_BEAT_MS = 250, NODES_MISSED = 4, NODES_TAKEOVER_MS = NODES_BEAT_MS * (NODES_MISSED + 2) };

struct nodes_owner {
        void *arg;
        /* A dead node watched this cell; from now on this one does. On a store thread, before the commit. */
        bool (*adopt)(void *arg, const struct cell_ref *cell, struct err *err);
        /* What this node had written down is another's. On a store thread. */
        void (*registered)(void *arg);
};

/* Registers this node and starts its thread. services->store must be shared and outlive it. */
bool nodes_start(const struct services *services, const struct nodes_owner *owner, struct nodes **ret,
                 struct err *err) MUST_USE;
/* Ends the thread. The row stays: the others take over what this node watched. NULL is fine. */
void nodes_stop(struct nodes *nodes);

/* Inside a write to the directory: this node watches the cell. */
bool nodes_watch(struct nodes *nodes, struct tx *tx, const struct cell_ref *cell, struct err *err) MUST_USE;
