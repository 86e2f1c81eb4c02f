/* SPDX-License-Identifier: Apache-2.0 */
/* What a program can cost, before it runs. Private to src/cel. */
#pragma once

#include "cel/program.h"

/* False: no memory. */
bool cost_estimate(const struct cel_program *program, struct cel_cost *ret) MUST_USE;
