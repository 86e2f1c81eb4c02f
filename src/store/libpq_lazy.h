/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libpq, loaded when the first PostgreSQL store opens and not before: with it
 * come Kerberos, LDAP and GnuTLS, 3 MB of each process, and most never need it
 * (an executor, the command line, a server on its embedded store).
 *
 * libpq_lazy.c defines the functions of libpq-fe.h that we use; they forward.
 */
#pragma once

#include "base/err.h"

/* Once is enough; call before any other function of libpq. CONFIG when it is not installed. */
bool libpq_load(struct err *err) MUST_USE;
