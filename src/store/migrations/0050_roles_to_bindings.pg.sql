-- SPDX-License-Identifier: Apache-2.0
-- As 0050_roles_to_bindings.sql; the owner of the tables sees all rows meanwhile. The policies are made again
-- after every migration.

ALTER TABLE principal NO FORCE ROW LEVEL SECURITY;
ALTER TABLE access_binding NO FORCE ROW LEVEL SECURITY;

INSERT INTO access_binding (tenant_id, id, principal_id, role, level, scope_id, effect, created_ms)
SELECT p.tenant_id, 'bnd_' || substr(p.id, 5, 24) || r.suffix, p.id, r.name, 'tenant', p.tenant_id, 'allow', p.created_ms
  FROM principal p
  JOIN (SELECT 1 AS bit, 'administrator' AS name, '00' AS suffix
        UNION ALL SELECT 2, 'operator', '01'
        UNION ALL SELECT 4, 'approver', '02'
        UNION ALL SELECT 8, 'auditor', '03'
        UNION ALL SELECT 16, 'agent', '04'
        UNION ALL SELECT 32, 'executor', '05') r ON (p.roles & r.bit) <> 0;

ALTER TABLE principal DROP COLUMN roles;
