-- SPDX-License-Identifier: Apache-2.0
-- In the platform's own cell: tenants whose creation was answered, or will be by the reply that is kept
-- under an Idempotency-Key. A stop between that and the directory's last word is finished, not undone.
CREATE TABLE tenant_made (
        tenant_id TEXT NOT NULL,
        made_id TEXT NOT NULL,
        PRIMARY KEY (tenant_id, made_id)
) STRICT, WITHOUT ROWID;
