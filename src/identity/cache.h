/* SPDX-License-Identifier: Apache-2.0 */
/* What authentication remembers; private to this folder but for identity_forget_on_commit. */
#pragma once

#include "base/arena.h"
#include "store/store.h"

struct services;

/*
 * Forgets every credential with this id, of the principal or of the realm with this id, when the
 * transaction is durable. What is being looked up meanwhile is not remembered
 * either.
 */
bool identity_forget_on_commit(const struct services *services, struct tx *tx, struct str id,
                               struct err *err) MUST_USE;
