/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What texts in definitions must look like: each function is the `check` of a
 * shape. True, or *ret_why says what to write instead.
 */
#pragma once

#include "base/str.h"

/* Semantic version 2.0.0, section 2, without a leading "v". */
bool text_is_version(struct str text, const char **ret_why);
/* RFC 1123 label: what names of definitions, namespaces and hosts' parts are made of. */
bool text_is_label(struct str text, const char **ret_why);
/* ISO 8601 duration, "PT1H30M". */
bool text_is_duration(struct str text, const char **ret_why);
/* RFC 3986 section 3, with a scheme and an authority; `{…}` of RFC 6570 may stand in it. */
bool text_is_uri(struct str text, const char **ret_why);
/* RFC 6901. */
bool text_is_pointer(struct str text, const char **ret_why);
/* Five fields, as crontab(5) takes them. */
bool text_is_cron(struct str text, const char **ret_why);
/* "${ … }", with brackets and quotes that match. */
bool text_is_expression(struct str text, const char **ret_why);
/* Whether it begins like one. */
bool text_begins_expression(struct str text);

/* Semantic version 2.0.0, section 11: below, equal, above zero. Both are versions. */
int version_compare(struct str a, struct str b);
