/* SPDX-License-Identifier: Apache-2.0 */
/* Private to src/tenancy/deletion. */
#pragma once

#include "store/schema.h"
#include "tenancy/deletion/deletion.h"
#include "tenancy/deletion/deletion_sql.h"

#include <pthread.h>

struct deletion_look {
        struct str id;
        bool is_so;
};

struct deletion {
        struct arena arena;
        struct schema cells, directory; /* their statements are used one at a time, under `lock` */
        pthread_mutex_t lock;
};

extern const struct control_operation deletion_workspace, deletion_tenant;
