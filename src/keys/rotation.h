/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rotation of the root key. envelope_rotate makes a new version, durable in the
 * key file; then a thread goes through all cells and wraps anew what is under
 * the older one: tenants' keys, and the keys of logs. When nothing is left, the
 * older version is erased from the file. Requests go on meanwhile: both versions
 * open, only the new one wraps.
 *
 * The file itself says that a rotation has begun (it has a previous key), and
 * each row names its version; so a process that was killed at any moment goes on
 * where it was when it starts again.
 *
 * Where several nodes share the store, all of them have the new key before any
 * wraps with it, and all that each serves is done before any erases the older one
 * (rotation_nodes.h).
 *
 * Each cell is visited in a write transaction: whatever was wrapped there before
 * is seen, and whatever comes after it is wrapped by the new version.
 */
#pragma once

#include "store/store.h"

struct envelope;
struct rotation;

struct rotation_status {
        uint32_t current, previous; /* previous 0: nothing is being wrapped anew */
        uint32_t next;              /* 0: none; other nodes do not have it yet */
        unsigned waiting;           /* nodes that have not done yet what the rotation waits for */
        const char *provider;       /* what protects the key file */
        int64_t keys;               /* wrapped anew since the process started */
        int64_t cells;              /* visited in this round */
        int64_t failures;           /* cells that could not be visited in this round; it is repeated */
};

/*
 * Starts the thread; it goes on with a rotation that was begun before. CONFIG when
 * other nodes of a shared store have another root key.
 */
bool rotation_start(struct store *store, struct envelope *envelope, struct rotation **ret,
                    struct err *err) MUST_USE;
/* Before store_close. NULL is fine. */
void rotation_stop(struct rotation *rotation);

/*
 * CONFLICT while another one goes on. `alone`: other nodes are not waited for; they
 * end when they see it. Blocks for the write of the key file.
 */
bool rotation_begin(struct rotation *rotation, bool alone, struct err *err) MUST_USE;
void rotation_status(struct rotation *rotation, struct rotation_status *ret);
