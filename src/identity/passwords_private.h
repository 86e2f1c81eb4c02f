/* SPDX-License-Identifier: Apache-2.0 */
/* Private to passwords*.c. */
#pragma once

/* What this thread keeps for Argon2; at the thread's end. */
void password_memory_free(void);
