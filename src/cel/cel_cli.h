/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of the engine: `cel eval` and `cel check`. */
#pragma once

/* argv[0] is "cel". 0: done; 1: the expression is wrong or has no value; 2: used wrongly. */
int cel_main(int argc, char **argv);
