/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/policy: the names of conditions.
 *
 *   operation.connector, operation.name, operation.effect   string
 *   operation.repeatable                                    bool
 *   environment, target                                     string
 *   parameters                                              map(string, dyn), defaults filled in
 *   requester.id, .kind, .risk, .scope                      string
 *   tenant.id, tenant.tier                                  string
 *   workspace.id, workspace.data_mode                       string
 *   workspace.labels                                        map(string, string)
 *   time                                                    timestamp
 */
#pragma once

#include "policy/policy_document.h"

enum { POLICY_CONDITION_BYTES = 2000, POLICY_CONDITION_COST = 5000 };

/* EXPRESSION, at "line:column", when it is not a condition. */
bool policy_condition_compile(struct str text, struct cel_program **ret, struct err *err) MUST_USE;
/* `trace` may be NULL. EVALUATION, COST_EXCEEDED, NO_MEMORY: it has no value. */
bool policy_condition_holds(const struct cel_program *program, const struct policy_input *input,
                            struct arena *arena, struct cel_trace *trace, bool *ret,
                            struct err *err) MUST_USE;
