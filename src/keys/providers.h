/* SPDX-License-Identifier: Apache-2.0 */
/* services.providers: how model providers are reached to check their keys. */
#pragma once

#include "base/err.h"

#include <stdint.h>

struct providers;

/* `timeout_ms` for one check. Certificates are checked against the system's store. */
bool providers_new(bool allow_loopback, int64_t timeout_ms, struct providers **ret,
                   struct err *err) MUST_USE;
/* Before loops_free. NULL is fine. */
void providers_free(struct providers *providers);
