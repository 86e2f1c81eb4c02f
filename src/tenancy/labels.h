/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels, with the rules and the selectors of Kubernetes ("Labels and
 * Selectors"): a key is an optional DNS subdomain of at most 253 characters and
 * a slash, then a name of 1 to 63 characters out of [A-Za-z0-9_.-] that begins
 * and ends with a letter or digit; a value is empty or such a name.
 *
 * They are stored as a JSON object of strings in RFC 8785 form.
 */
#pragma once

#include "api/decode.h"
#include "base/arena.h"

enum { LABELS_MAX = 64, SELECTOR_TERMS_MAX = 16, SELECTOR_VALUES_MAX = 16 };

/* The stored form, in the arena. BAD_FIELD with the place /labels/KEY. */
bool labels_format(struct arena *arena, const struct api_pair *labels, size_t count, struct str *ret_json,
                   struct err *err) MUST_USE;
/* From the stored form. */
bool labels_parse(struct arena *arena, struct str json, const struct api_pair **ret_labels,
                  size_t *ret_count, struct err *err) MUST_USE;

enum selector_kind { SELECTOR_IN, SELECTOR_NOT_IN, SELECTOR_HAS, SELECTOR_HAS_NOT };

struct selector_term {
        enum selector_kind kind;
        struct str key;
        unsigned value_count;
        struct str values[SELECTOR_VALUES_MAX];
};

struct selector {
        unsigned count; /* 0: everything */
        struct selector_term terms[SELECTOR_TERMS_MAX];
};

/*
 * `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, separated by
 * commas: all must hold. What is not there is not equal. Views into the text;
 * {NULL, 0} is everything. BAD_PARAMETER.
 */
bool selector_parse(struct str text, struct selector *ret, struct err *err) MUST_USE;
bool selector_matches(const struct selector *selector, const struct api_pair *labels, size_t count);
