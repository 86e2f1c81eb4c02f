/* SPDX-License-Identifier: Apache-2.0 */
/* Private to src/cel. */
#pragma once

#include "cel/timestamp.h"

/* Shortest form that reads back; NaN, Infinity, -Infinity. */
void print_double(struct buf *buf, double number);
/* In quotes, escaped so that it is a CEL literal (strings.quote). */
void print_quoted(struct buf *buf, struct str s);
