/* SPDX-License-Identifier: Apache-2.0 */
/* The table itself; private to this folder. */
#pragma once

#include "catalogue/catalogue.h"

extern const struct catalogue_operation operations[];
extern const size_t operation_count;
