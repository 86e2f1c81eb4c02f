-- SPDX-License-Identifier: Apache-2.0
-- The statement with its approvals by which the tenant is being erased (DSSE): what an action carries may
-- be gone once it is closed.
ALTER TABLE tenant_self ADD COLUMN closing_envelope TEXT;
