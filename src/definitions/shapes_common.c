/* SPDX-License-Identifier: Apache-2.0 */
#include "definitions/kinds.h"
#include "definitions/texts.h"

const struct shape shape_any = {.kind = SHAPE_ANY, .what = "any value"};
const struct shape shape_object = {.kind = SHAPE_OBJECT, .what = "a mapping"};
const struct shape shape_text = {.kind = SHAPE_TEXT, .what = "a text"};
const struct shape shape_bool = {.kind = SHAPE_BOOL, .what = "true or false"};
const struct shape shape_label = {.kind = SHAPE_TEXT, .what = "a name", .check = text_is_label};
const struct shape shape_version = {.kind = SHAPE_TEXT, .what = "a version", .check = text_is_version};

/* What the heads of all kinds have. */
static const struct shape_member head_members[] = {
        {"name", &shape_label, true},
        {"version", &shape_version, true},
        {"title", &shape_text, false},
        {"summary", &shape_text, false},
        {"tags", &shape_object, false},
        {"metadata", &shape_object, false},
        {NULL, NULL, false},
};
const struct shape shape_document_head = {
        .kind = SHAPE_RECORD, .what = "the head (document)", .members = head_members};
