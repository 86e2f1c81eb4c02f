/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one password costs by itself: Argon2id with the default parameters, on one thread.
 *
 *   argon2_bench [--seconds N]
 */
#include "base/clock.h"
#include "identity/passwords.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
        static const struct option options[] = {{"seconds", required_argument, NULL, 's'},
                                                {NULL, 0, NULL, 0}};
        const struct password_parameters parameters = PASSWORD_PARAMETERS_DEFAULT;
        double seconds = 3;
        int64_t begun, spent = 0, count = 0;
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
                if (option == 's')
                        seconds = strtod(optarg, NULL);
        begun = clock_mono_us();
        while (spent < (int64_t)(seconds * 1e6)) {
                char encoded[PASSWORD_ENCODED_SIZE];
                struct err err;

                if (!password_hash_here(&parameters, STR("correct horse battery staple"), encoded, &err)) {
                        (void)fprintf(stderr, "%s\n", err.message);
                        return EXIT_FAILURE;
                }
                count++;
                spent = clock_mono_us() - begun;
        }
        (void)printf("{\"bench\":\"argon2id\",\"per_second\":%.2f}\n", (double)count * 1e6 / (double)spent);
        return EXIT_SUCCESS;
}
