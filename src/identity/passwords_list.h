/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords that are known from breaches. Two kinds of file:
 *
 *   - lines of a SHA-1 in hexadecimal, in order, each with or without `:count`
 *     (the form of Have I Been Pwned's download). Read where it lies, by binary
 *     search: any size.
 *   - any other text: one password a line. Read at the start, 8 bytes a line in
 *     memory; at most 10 million lines.
 *
 * Constant once opened; safe from any thread.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct password_list;

/* CONFIG when it cannot be read. */
bool password_list_open(const char *path, struct password_list **ret, struct err *err) MUST_USE;
void password_list_close(struct password_list *list);
/* A list of hashes that cannot be read any more counts as not holding it; the caller logs *ret_failed. */
bool password_list_has(const struct password_list *list, struct str password, bool *ret_failed);
