/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person sees before signing: lines made from the statement's bytes and
 * nothing else. What cannot be understood is shown, marked `uninspectable`,
 * never hidden and never cut. Characters that a terminal or a page would obey
 * or not show (controls, bidirectional overrides, zero-width ones, tags) are
 * written out as <U+202E>.
 */
#pragma once

#include "base/arena.h"

struct rendering_line {
        struct str label;
        struct str value;
        bool uninspectable;
};

struct rendering {
        struct rendering_line *lines;
        unsigned count;
};

/* Fails only for want of memory: bytes that are no statement give one uninspectable line. */
bool rendering_make(struct arena *arena, struct str statement_bytes, struct rendering *ret,
                    struct err *err) MUST_USE;

/* A text with every such character written out; also for the asker's words. Bad UTF-8 as <0x80>. */
struct str rendering_visible(struct arena *arena, struct str text);
