/* SPDX-License-Identifier: Apache-2.0 */
/* W3C Trace Context, level 1: https://www.w3.org/TR/trace-context-1/ */
#pragma once

#include "base/str.h"

#include <stdbool.h>

/* Whether the traceparent is well formed (section 3.2.2): else it must be ignored (section 2.3). */
bool trace_parent_is_valid(struct str header);
/* Its trace-id, 32 hexadecimal digits. The header must be valid. */
struct str trace_id(struct str header);
