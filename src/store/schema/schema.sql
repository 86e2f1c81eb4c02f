-- SPDX-License-Identifier: Apache-2.0
-- What the migrated schema says about itself, asked of SQLite. The statements that come out are
-- understood by both databases.

-- Every table but the store's own, the column that says whose a row is, and whether a row is what one
-- of the nodes has written down for itself.
-- name: tables
SELECT name, CASE WHEN EXISTS (SELECT 1 FROM pragma_table_info(t.name) WHERE name = 'tenant_id') THEN 'tenant_id'
                  WHEN EXISTS (SELECT 1 FROM pragma_table_info(t.name) WHERE name = 'tenant') THEN 'tenant'
                  WHEN name = 'tenant' THEN 'id' END,
       EXISTS (SELECT 1 FROM pragma_table_info(t.name) WHERE name = 'node_id')
  FROM sqlite_schema AS t
 WHERE type = 'table' AND name NOT LIKE 'store!_%' ESCAPE '!' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'
 ORDER BY name;

-- A letter for the type, as in sql.h, and the place in the primary key.
-- name: columns
SELECT CASE upper(type) WHEN 'TEXT' THEN 't' WHEN 'BLOB' THEN 'b' ELSE 'i' END, pk
  FROM pragma_table_info(?1) ORDER BY cid;

-- name: references
SELECT DISTINCT "table" FROM pragma_foreign_key_list(?1) WHERE "table" <> ?1;

-- The first page in the order of the primary key, the pages after it, and the rest.
-- name: statements
WITH list AS (
        SELECT (SELECT group_concat('"' || name || '"', ', ') FROM (SELECT name FROM pragma_table_info(?1) ORDER BY cid)) AS columns,
               (SELECT group_concat('"' || name || '"', ', ') FROM (SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk)) AS key,
               (SELECT group_concat('$' || (pk + 2), ', ') FROM (SELECT pk FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk)) AS after,
               '"' || ?1 || '"' AS target, '"' || ?2 || '" = $1' AS of_tenant
)
SELECT 'SELECT ' || columns || ' FROM ' || target || ' WHERE ' || of_tenant || ' ORDER BY ' || key || ' LIMIT $2',
       'SELECT ' || columns || ' FROM ' || target || ' WHERE ' || of_tenant || ' AND (' || key || ') > (' || after || ') ORDER BY '
                 || key || ' LIMIT $2',
       'SELECT count(*) FROM ' || target || ' WHERE ' || of_tenant,
       'DELETE FROM ' || target || ' WHERE ' || of_tenant,
       'INSERT INTO ' || target || ' (' || columns || ') VALUES '
  FROM list;
