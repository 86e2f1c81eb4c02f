/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kill at a step, for torture tests. Code whose order of effects matters calls
 * test_step("name") between any two of them. In builds made with
 * -Dtest_hooks=true the process counts the calls, from any thread, and
 *
 *   COUNTERSIGN_KILL_AT=n       kills itself with SIGKILL at the n-th (from 1);
 *   COUNTERSIGN_STOP_AT=n       stands still there, until it gets SIGCONT;
 *   COUNTERSIGN_STEP_FILE=path  writes "n name" there, a line for each step, so
 *                               that a run without a kill tells how many there are.
 *
 * In every other build it is nothing at all.
 */
#pragma once

#ifdef COUNTERSIGN_TEST_HOOKS
void test_step(const char *name);
#else
#define test_step(name) ((void)0)
#endif
