/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person reads. Text that came from outside is made visible first:
 * control characters and the like are written out, so that nobody's words can
 * move the cursor (documents/rendering.h).
 */
#pragma once

#include "cli/client.h"

struct out_column {
        const char *title; /* NULL ends a list */
        const char *key;   /* a member of each item; "a.b" looks into an object */
        unsigned max;      /* characters; longer values are cut with "…"; 0: never */
};

/* {"items": […]} as a table, or the JSON text with --json. `none` is said when it is empty. */
void out_table(struct cli *cli, const struct cli_reply *reply, const struct out_column *columns,
               const char *none);
/* One object as lines "title  value"; absent members are left out. Or the JSON text. */
void out_record(struct cli *cli, const struct cli_reply *reply, const struct out_column *fields);
/* The same for a part of an answer, never as JSON. */
void out_fields(struct cli *cli, const struct json *object, const struct out_column *fields);

/* A call and its answer, shown: a whole collection as a table, one thing as a record, what a change made. */
BLOCKING_FN bool out_list(struct cli *cli, struct str path, struct str query,
                          const struct out_column *columns, const char *none, struct err *err) MUST_USE;
BLOCKING_FN bool out_show(struct cli *cli, struct str path, const struct out_column *fields,
                          struct err *err) MUST_USE;
BLOCKING_FN bool out_change(struct cli *cli, const char *method, struct str path, struct str body,
                            const struct out_column *fields, struct err *err) MUST_USE;

/* A line "title  value" with a text of ours or one that is made visible. */
void out_line(struct cli *cli, const char *title, struct str value);
/* As it is, for files and pipes; may be empty. */
void out_bytes(struct str bytes);
/* The JSON text and a newline. */
void out_json(const struct cli_reply *reply);

/* What came from outside, with whatever could act on a terminal written out. */
struct str out_visible(struct cli *cli, struct str text);
/* A member as text for people: strings visible, times shortened, arrays joined. "" when absent. */
struct str out_text(struct cli *cli, const struct json *object, const char *key);

/* Somebody's words, every line behind a bar, headed by whose they are. Nothing when empty. */
void out_quarantined(struct cli *cli, const char *heading, struct str words);

/* Asks on the terminal; only "y" or "yes" is yes. False also when there is nobody to ask. */
bool out_ask(const char *question);
