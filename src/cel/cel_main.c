/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's command line by itself, for tests of the engine alone. */
#include "cel/cel_cli.h"

int main(int argc, char **argv)
{
        return cel_main(argc, argv);
}
