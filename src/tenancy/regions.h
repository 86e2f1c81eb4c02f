/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which regions this node serves, and where the others are served. Constant
 * after the start.
 *
 * A workspace lives in the cell of its region: actions, decisions, output,
 * executors, log. Names, people, keys and the roster live in the tenant's home
 * cell. The node of another region reads them there and keeps copies of what
 * its cell must have: the tenant, the organization and the row of the
 * workspace, the chain of rosters, and of people who act here id, kind and
 * name. Nothing goes the other way. docs/decisions/0052 says why.
 */
#pragma once

#include "base/arena.h"
#include "io/fiber.h"
#include "store/store.h"

struct services;
struct regions; /* services.regions; NULL: only services.region */

/*
 * `serves`: "us eu", empty for `home` alone; `urls`: "eu=https://eu.example.com …",
 * where the others are. Everything lives in the arena. CONFIG.
 */
bool regions_new(struct arena *arena, struct str home, struct str serves, struct str urls,
                 struct regions **ret, struct err *err) MUST_USE;

bool regions_serves(const struct services *services, struct str region);
/* Where a region is served; {NULL, 0} when nobody has said so. */
struct str regions_url(const struct services *services, struct str region);
/* BAD_FIELD at /region for one that neither this node serves nor the configuration knows. */
bool regions_check_known(const struct services *services, struct str region, struct err *err) MUST_USE;

/*
 * Before something changes in a cell outside of the tenant's home: makes the
 * cell if need be, and brings its copies up to what home says now. `principal`
 * is who acts, if home has them.
 */
BLOCKING_FN bool regions_follow_home(const struct services *services, struct str tenant, struct str home,
                                     struct str region, struct str principal, struct err *err) MUST_USE;
