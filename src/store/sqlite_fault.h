/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failing disks, for tests (builds with -Dtest_hooks=true only): a VFS between
 * SQLite and the system's that counts the calls which change a file (write,
 * truncate, sync) and fails them from the n-th on, or only the n-th.
 *
 * For a server process: COUNTERSIGN_STORE_FAULT=<kind>@<n>[,once], for example
 * "full@200", read when the first store is opened. Kinds:
 *
 *   full    no space left (writes only; syncs go on)
 *   write   a write fails half-done with an I/O error; syncs go on
 *   sync    a sync fails; what was written before it may be there or not
 *   io      all of them fail
 *   kill    the process ends at that call, by SIGKILL, a write half-done
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef COUNTERSIGN_TEST_HOOKS

enum fault_kind { FAULT_NONE, FAULT_FULL, FAULT_WRITE, FAULT_SYNC, FAULT_IO, FAULT_KILL };

/* From the n-th call from now on (1 is the next); `once`: that one only. Any thread, at any time. */
void sqlite_fault_set(enum fault_kind kind, uint64_t nth, bool once);
/* Calls counted since then, and how many of them failed. */
uint64_t sqlite_fault_calls(void);
uint64_t sqlite_fault_failed(void);

/*
 * For the files that the store writes by itself (new cells): false, with errno
 * set, if this write or sync must fail.
 */
bool sqlite_fault_pass(bool is_sync);

#else

static inline bool sqlite_fault_pass(bool is_sync)
{
        (void)is_sync;
        return true;
}

#endif
