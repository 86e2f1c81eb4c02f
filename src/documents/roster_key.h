/* SPDX-License-Identifier: Apache-2.0 */
/* One key of a roster's member: written, read. Private to this folder. */
#pragma once

#include "base/json.h"
#include "base/json_write.h"
#include "documents/roster.h"

void roster_key_write(struct json_writer *w, const struct roster_key *key);
/* BAD_ENVELOPE with the place, for anything but the one form. */
bool roster_key_parse(struct arena *arena, const struct json *value, struct roster_key *ret,
                      struct err *err) MUST_USE;
