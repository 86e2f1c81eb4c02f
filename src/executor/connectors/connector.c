/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/connectors/connector.h"

#include <stdio.h>

void connector_result_set(struct connector_result *result, enum outcome outcome, const char *format, ...)
{
        va_list args;

        result->outcome = outcome;
        result->open = false;
        va_start(args, format);
        vsnprintf(result->message, sizeof(result->message), format, args);
        va_end(args);
}
