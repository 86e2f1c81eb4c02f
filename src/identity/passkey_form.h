/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forms that ask the browser for a passkey. /webauthn.js, the only script that
 * there is, reads what stands in the form, asks, fills the hidden fields and
 * sends it; without it the form says that it is needed.
 */
#pragma once

#include "identity/factors.h"
#include "identity/pages.h"

struct passkey_form {
        const char *action;         /* a path of ours */
        struct str challenge;       /* raw bytes */
        const struct passkey *keys; /* those that may answer, or that are there already; none: any */
        size_t key_count;
        bool verification;      /* demanded of the person: a PIN, a finger */
        struct str user_handle; /* of who makes a new one; {NULL, 0}: an answer by one that is there */
        struct str user_name;
};

/* Opens the form; page_form_end closes it. */
void passkey_form_begin(struct page *page, const struct passkey_form *form);
/* The answer of an existing one. BAD_FIELD. */
bool passkey_form_answer(struct request *req, const struct form *form, struct passkey_answer *ret,
                         struct err *err) MUST_USE;
/* Any other field that the script has written, base64url. BAD_FIELD. */
bool passkey_form_part(struct request *req, const struct form *form, const char *name, size_t most,
                       bool required, struct str *ret, struct err *err) MUST_USE;
