-- SPDX-License-Identifier: Apache-2.0
-- What the PostgreSQL driver itself says to the database; embedded as text.

-- Settings of a connection: where names are looked up, and how long anything may take. An answer
-- means durable: a database that says otherwise is overruled. Of a node whose machine is gone the
-- server learns within seconds, and lets go of what it had locked.
-- name: session
SELECT set_config('search_path', $1, false), set_config('statement_timeout', $2, false),
       set_config('lock_timeout', $3, false), set_config('idle_in_transaction_session_timeout', '60s', false),
       set_config('synchronous_commit',
                  CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'
                       ELSE current_setting('synchronous_commit') END, false),
       pg_postmaster_start_time()::text || ' ' || coalesce(inet_server_addr()::text, '') || ' '
       || coalesce(inet_server_port()::text, '') AS instance,
       set_config('client_min_messages', 'warning', false),
       set_config('tcp_keepalives_idle', '3', false), set_config('tcp_keepalives_interval', '1', false),
       set_config('tcp_keepalives_count', '3', false);

-- A snapshot of one tenant. No row, and no tenant set, if there is no such cell.
-- name: begun_read
SELECT set_config('countersign.tenant', tenant_id, true) FROM store_cell
 WHERE tenant_id = $1 AND state IN ('active', 'moving');

-- The cell's row is the lock: a tenant's writes run one after another, whichever node they come from.
-- Only once it is held is its state known, and the tenant set. A cell that moves away is frozen.
-- name: begun_write
SELECT CASE WHEN state = 'active' THEN set_config('countersign.tenant', tenant_id, true) END,
       pg_current_xact_id()::text
  FROM (SELECT tenant_id, state FROM store_cell WHERE tenant_id = $1 FOR UPDATE) AS held
 WHERE state <> 'moved';

-- Who moves cells holds this on each schema for as long as it runs, so that there is one of them; and
-- beside it a number of its own, by which its transactions know that it still holds both.
-- name: move_hold
SELECT pg_advisory_lock(7165094, hashtext($1)), pg_advisory_lock($2::bigint);

-- The same for who moves the cell. Nothing is written once the lock was lost to another.
-- name: begun_read_moving
SELECT set_config('countersign.tenant', tenant_id, true) FROM store_cell WHERE tenant_id = $1;

-- name: begun_write_moving
SELECT CASE WHEN EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
                            AND classid::bigint << 32 | objid::bigint = $2::bigint)
            THEN set_config('countersign.tenant', tenant_id, true) END, pg_current_xact_id()::text
  FROM (SELECT tenant_id FROM store_cell WHERE tenant_id = $1 FOR UPDATE) AS held;

-- name: begun_directory_moving
SELECT CASE WHEN EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
                            AND classid::bigint << 32 | objid::bigint = $1::bigint) THEN 'held' END,
       pg_current_xact_id()::text
  FROM (SELECT pg_advisory_xact_lock(7165092)) AS held;

-- name: cell_stand
SELECT state, coalesce(move, '') FROM store_cell WHERE tenant_id = $1;

-- name: cell_arrive
INSERT INTO store_cell (tenant_id, state, move, created_ms) VALUES ($1, 'moved', nullif($2, ''), $3::bigint)
    ON CONFLICT DO NOTHING;

-- name: cell_set_stand
UPDATE store_cell SET state = $2, move = nullif($3, '')
 WHERE tenant_id = $1 AND state = $4 AND coalesce(move, '') = $5;

-- So do the directory's.
-- name: begun_directory
SELECT pg_advisory_xact_lock(7165092), pg_current_xact_id()::text;

-- name: notify
SELECT pg_notify(current_schema(), $1);

-- What became of a transaction whose answer was lost.
-- name: outcome
SELECT pg_xact_status($1::xid8);

-- A commit of its own, which is answered when every standby that has to has it, and all before it.
-- name: outcome_replicated
SELECT CASE WHEN current_setting('synchronous_standby_names') <> ''
            THEN pg_logical_emit_message(true, 'countersign', '') END;

-- Why this role may not be the server's.
-- name: role_faults
SELECT 'role ' || rolname || CASE WHEN rolsuper THEN ' is a superuser' ELSE ' has BYPASSRLS' END
  FROM pg_roles WHERE rolname IN (current_user, session_user) AND (rolsuper OR rolbypassrls)
UNION ALL
SELECT 'role ' || session_user || ' can become ' || rolname || ', which row-level security does not hold'
  FROM pg_roles WHERE (rolsuper OR rolbypassrls) AND rolname <> session_user
   AND pg_has_role(session_user, oid, 'MEMBER')
UNION ALL
SELECT 'schema ' || nspname || ' belongs to ' || session_user || ', or to a role that it can become'
  FROM pg_namespace WHERE nspname = $1 AND pg_has_role(session_user, nspowner, 'MEMBER')
UNION ALL
SELECT 'table ' || relname || ' belongs to ' || session_user || ', or to a role that it can become'
  FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
   AND relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_has_role(session_user, relowner, 'MEMBER');

-- Every table, policy, index and reference of a region's schema that breaks the rules.
-- name: table_faults
WITH cell_table AS (
        SELECT oid, relname, relkind, relrowsecurity, relforcerowsecurity FROM pg_class
         WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
           AND relkind IN ('r', 'p', 'v', 'm', 'f')
           AND relname NOT IN ('store_migration', 'store_state', 'store_cell')
), tenant_column AS (
        SELECT attrelid, attnum FROM pg_attribute WHERE attname = 'tenant_id' AND attnotnull AND NOT attisdropped
           AND atttypid = 'text'::regtype
)
SELECT relname || ' is not a plain table' FROM cell_table WHERE relkind <> 'r'
UNION ALL
SELECT relname || ' has no tenant_id TEXT NOT NULL' FROM cell_table
 WHERE NOT EXISTS (SELECT 1 FROM tenant_column t WHERE t.attrelid = oid)
UNION ALL
SELECT relname || ' has no primary key' FROM cell_table
 WHERE NOT EXISTS (SELECT 1 FROM pg_index WHERE indrelid = cell_table.oid AND indisprimary)
UNION ALL
SELECT relname || ' lacks forced row-level security' FROM cell_table
 WHERE NOT (relrowsecurity AND relforcerowsecurity)
UNION ALL
SELECT relname || ' needs exactly the policy "tenant"' FROM cell_table
 WHERE (SELECT count(*) FROM pg_policy WHERE polrelid = cell_table.oid) <> 1
UNION ALL
SELECT c.relname || ': policy ' || p.polname || ' is not the one that keeps tenants apart'
  FROM pg_policy p JOIN cell_table c ON c.oid = p.polrelid
  CROSS JOIN (SELECT '^\(tenant_id = \( SELECT NULLIF\(current_setting\(''countersign\.tenant''::text, true\), ''''::text\)( AS "?nullif"?)?\)\)$' AS wanted) w
 WHERE p.polname <> 'tenant' OR NOT p.polpermissive OR p.polcmd <> '*' OR p.polroles <> '{0}'
    OR pg_get_expr(p.polqual, p.polrelid) IS NULL OR pg_get_expr(p.polqual, p.polrelid) !~ w.wanted
    OR pg_get_expr(p.polwithcheck, p.polrelid) IS NULL OR pg_get_expr(p.polwithcheck, p.polrelid) !~ w.wanted
UNION ALL
SELECT c.relname || ': index ' || i.indexrelid::regclass || ' does not begin with tenant_id'
  FROM pg_index i JOIN cell_table c ON c.oid = i.indrelid
 WHERE NOT EXISTS (SELECT 1 FROM tenant_column t WHERE t.attrelid = c.oid AND t.attnum = i.indkey[0])
UNION ALL
SELECT c.relname || ': reference ' || k.conname || ' does not begin with tenant_id on both sides'
  FROM pg_constraint k JOIN cell_table c ON c.oid = k.conrelid
 WHERE k.contype = 'f'
   AND NOT (EXISTS (SELECT 1 FROM tenant_column t WHERE t.attrelid = k.conrelid AND t.attnum = k.conkey[1])
        AND EXISTS (SELECT 1 FROM tenant_column t WHERE t.attrelid = k.confrelid AND t.attnum = k.confkey[1]))
UNION ALL
SELECT relname || ' can be truncated by ' || current_user || ', which row-level security does not see'
  FROM cell_table WHERE NOT pg_has_role(current_user, (SELECT relowner FROM pg_class k WHERE k.oid = cell_table.oid), 'MEMBER')
   AND has_table_privilege(cell_table.oid, 'TRUNCATE')
UNION ALL
SELECT 'function ' || proname || ' runs with the rights of its owner' FROM pg_proc
 WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND prosecdef
UNION ALL
SELECT 'rule ' || r.rulename || ' on ' || c.relname FROM pg_rewrite r JOIN cell_table c ON c.oid = r.ev_class
UNION ALL
SELECT 'trigger ' || g.tgname || ' on ' || c.relname FROM pg_trigger g JOIN cell_table c ON c.oid = g.tgrelid
 WHERE NOT g.tgisinternal;

-- Statements that put every tenant's table under its policy; a policy is made anew each time.
-- name: policies
WITH cell_table AS (
        SELECT oid, relname FROM pg_class
         WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND relkind IN ('r', 'p')
           AND relname NOT IN ('store_migration', 'store_state', 'store_cell')
)
SELECT line FROM (
        SELECT 1 AS step, format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY', $1, relname) AS line FROM cell_table
        UNION ALL
        SELECT 2, format('ALTER TABLE %I.%I FORCE ROW LEVEL SECURITY', $1, relname) FROM cell_table
        UNION ALL
        SELECT 3, format('DROP POLICY %I ON %I.%I', p.polname, $1, c.relname)
          FROM pg_policy p JOIN cell_table c ON c.oid = p.polrelid
        UNION ALL
        SELECT 4, format('CREATE POLICY tenant ON %I.%I USING (tenant_id = (SELECT nullif(current_setting(''countersign.tenant'', true), ''''))) '
                         'WITH CHECK (tenant_id = (SELECT nullif(current_setting(''countersign.tenant'', true), '''')))', $1, relname)
          FROM cell_table
) AS lines ORDER BY step;

-- What the server's role may do: rows, and nothing else.
-- name: grants
SELECT line FROM (
        SELECT 1 AS step, format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM PUBLIC, %I', $1, $2) AS line
        UNION ALL
        SELECT 2, format('GRANT USAGE ON SCHEMA %I TO %I', $1, $2)
        UNION ALL
        SELECT 3, format(CASE relname WHEN 'store_migration' THEN 'GRANT SELECT ON %I.%I TO %I'
                                      WHEN 'store_state' THEN 'GRANT SELECT ON %I.%I TO %I'
                                      WHEN 'store_cell' THEN 'GRANT SELECT, INSERT, UPDATE ON %I.%I TO %I'
                                      ELSE 'GRANT SELECT, INSERT, UPDATE, DELETE ON %I.%I TO %I' END, $1, relname, $2)
          FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND relkind IN ('r', 'p')
) AS lines ORDER BY step;

-- name: has_books
SELECT to_regclass(format('%I.store_migration', $1)) IS NOT NULL;

-- name: migrations
SELECT number, title, sha256 FROM store_migration ORDER BY number;

-- name: migration_add
INSERT INTO store_migration (number, title, sha256, applied_ms) VALUES ($1::bigint, $2, $3, $4::bigint);

-- name: cell_create
INSERT INTO store_cell (tenant_id, state, created_ms) VALUES ($1, 'active', $2::bigint) ON CONFLICT DO NOTHING;

-- name: cell_list
SELECT tenant_id FROM store_cell WHERE state = 'active' AND tenant_id > $1 ORDER BY tenant_id LIMIT 1000;
