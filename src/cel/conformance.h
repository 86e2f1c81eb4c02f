/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the conformance runner: protobuf's JSON mapping of the suite's values and types. Private to
 * src/cel. */
#pragma once

#include "cel/cel.h"

/* A field by its proto name, in snake_case or in the mapping's lowerCamelCase. */
const struct json *suite_get(const struct json *object, const char *name);

/* cel.expr.Value. False: a message or an enum, which is no CEL value here. */
bool suite_value(struct arena *arena, const struct json *json, struct cel_value *ret) MUST_USE;
/* cel.expr.Type, as text that cel_type_parse takes. False: a message type. */
bool suite_type(struct cel_env *env, struct buf *buf, const struct json *json) MUST_USE;
/* The same value of the same type, NaN equal to itself. */
bool suite_same(struct cel_value a, struct cel_value b);
/* Whether the test needs a protobuf message or enum: by what it says, never by its name. */
bool suite_needs_protobuf(struct arena *arena, const struct json *test);
