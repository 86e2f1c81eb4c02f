/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who waits for what, in this process: fibers wait for a subject of a tenant,
 * or for anything of a tenant; writers publish after their commit. No wake-up
 * is lost: a waiter counts from notify_begin on, so register first, then look,
 * then wait.
 *
 *   notify_begin(&waiter, req->tenant, action_id);
 *   for (;;) {
 *           read the action; leave when it is as wished
 *           if (!request_wait(req, &waiter, deadline))
 *                   break;
 *   }
 *   notify_end(&waiter);
 *
 * Spurious wake-ups happen (subjects are hashed); look again after each.
 */
#pragma once

#include "base/str.h"
#include "io/fiber.h"

struct tx;

struct notify_waiter {
        struct fiber_event event;
        uint64_t key;
        /* Under the lock of the key's bucket. */
        struct notify_waiter *next;
        struct notify_waiter **link;
};

/* On a fiber, on whose stack the waiter may lie. An empty subject means everything of the tenant. */
void notify_begin(struct notify_waiter *waiter, struct str tenant, struct str subject);
/* False at the deadline. After true, look; then wait again. Handlers use request_wait instead. */
FIBER_FN bool notify_wait(struct notify_waiter *waiter, int64_t deadline_mono_us);
void notify_end(struct notify_waiter *waiter);

/* From any thread. */
void notify_publish(struct str tenant, struct str subject);
/* What another node published, as notify_on_commit told it ("w …"); everything for NULL. From any thread. */
void notify_hear(struct str message);
/* Publishes, here and on the other nodes, when the transaction is durable, and not at all if it rolls back.
 */
void notify_on_commit(struct tx *tx, struct str subject);
