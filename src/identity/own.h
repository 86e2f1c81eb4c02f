/* SPDX-License-Identifier: Apache-2.0 */
/* What people do to their own accounts only. Private to src/identity. */
#pragma once

#include "api/request.h"

struct factors;

/*
 * FORBIDDEN unless the caller is this person, in a session: how somebody logs in
 * is nothing that an API key may change. Whoever has a second factor must have
 * shown one within FACTOR_FRESH_MS, or a session that was left open could be made
 * to last (SECOND_FACTOR_REQUIRED). In a transaction on the tenant's home cell.
 */
#define FACTOR_FRESH_MS ((int64_t)600000)
bool own_check(struct request *req, struct str principal, struct err *err) MUST_USE;
/* Whether own_check would let these factors be changed. */
bool own_is_fresh(const struct request *req, const struct factors *factors);
/* FORBIDDEN unless a browser asks, by its session: for pages whose reply sets its cookie anew. */
bool own_browser(const struct request *req, struct err *err) MUST_USE;

/*
 * A new password for the one that stands; ends the person's other sessions. What own_check refuses;
 * NOT_FOUND without an account; FORBIDDEN at /current when that is not the one; BAD_FIELD at /password when
 * the new one is none; RATE_LIMITED.
 */
FIBER_FN bool own_password_change(struct request *req, struct str principal, struct str current,
                                  struct str password, struct err *err) MUST_USE;
