-- SPDX-License-Identifier: Apache-2.0
-- What the tests need to be there.

-- name: test_organization_insert :exec
INSERT INTO organization (tenant_id, id, name, created_ms) VALUES ($1, 'org_1', 'one', 1);

-- name: test_workspace_insert :exec
-- in: id text
INSERT INTO workspace (tenant_id, id, organization_id, name, region, created_ms)
VALUES ($1, $2, 'org_1', $2, 'eu', 1);

-- name: test_provider_key_region :exec
-- in: id text, region text
UPDATE provider_key SET region = $3 WHERE tenant_id = $1 AND id = $2;
