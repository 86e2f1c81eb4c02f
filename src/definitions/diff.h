/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is different between two documents, by their values: comments, quotes
 * and the order of members do not count. Members are told by their names; items
 * of a list of named things (tasks, cases) by theirs, other items by position.
 */
#pragma once

#include "definitions/document.h"

enum { DIFF_CHANGES_MAX = 500 };

enum diff_kind { DIFF_ADDED, DIFF_REMOVED, DIFF_CHANGED };

struct diff_change {
        enum diff_kind kind;
        struct str path;          /* JSON pointer, with the names of named items */
        struct str before, after; /* JSON; {NULL, 0} where there is none */
};

struct diff {
        struct diff_change *changes;
        uint32_t count;
        bool truncated;
};

/* In the arena. */
bool document_diff(struct arena *arena, const struct node *from, const struct node *to, struct diff *ret,
                   struct err *err) MUST_USE;
