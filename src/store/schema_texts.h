/* SPDX-License-Identifier: Apache-2.0 */
/* schema/schema.sql, embedded. Private to src/store. */
#pragma once

extern const char schema_text_tables[], schema_text_columns[], schema_text_references[],
        schema_text_statements[];
