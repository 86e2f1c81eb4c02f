-- SPDX-License-Identifier: Apache-2.0
-- Who may do what: a tenant's own roles, groups, and bindings of roles to principals and groups.

CREATE TABLE access_role (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        name TEXT NOT NULL,
        description TEXT NOT NULL,
        -- Names of permissions, in order, separated by spaces; 'x:…' are the tenant's own.
        permissions TEXT NOT NULL,
        -- What it allows on the holder's own resources only.
        owner_permissions TEXT NOT NULL,
        revision INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE access_group (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        name TEXT NOT NULL,
        description TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE access_member (
        tenant_id TEXT NOT NULL,
        group_id TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        added_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, group_id, principal_id),
        FOREIGN KEY (tenant_id, group_id) REFERENCES access_group (tenant_id, id),
        FOREIGN KEY (tenant_id, principal_id) REFERENCES principal (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX access_member_by_principal ON access_member (tenant_id, principal_id, group_id);

CREATE TABLE access_binding (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        -- To whom: one of the two.
        principal_id TEXT,
        group_id TEXT,
        -- What: a built-in role's name, or a role of the tenant's own.
        role TEXT,
        role_id TEXT,
        -- Where: the tenant, or everything of an organization, or a workspace.
        level TEXT NOT NULL CHECK (level IN ('tenant', 'organization', 'workspace')),
        scope_id TEXT NOT NULL,
        effect TEXT NOT NULL CHECK (effect IN ('allow', 'forbid')),
        -- CEL; NULL: always.
        condition TEXT,
        created_by TEXT,
        created_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, id),
        CHECK ((principal_id IS NULL) <> (group_id IS NULL)),
        CHECK ((role IS NULL) <> (role_id IS NULL)),
        FOREIGN KEY (tenant_id, principal_id) REFERENCES principal (tenant_id, id),
        FOREIGN KEY (tenant_id, group_id) REFERENCES access_group (tenant_id, id),
        FOREIGN KEY (tenant_id, role_id) REFERENCES access_role (tenant_id, id)
) STRICT;

CREATE INDEX access_binding_by_principal ON access_binding (tenant_id, principal_id, id);
CREATE INDEX access_binding_by_group ON access_binding (tenant_id, group_id, id);
CREATE INDEX access_binding_by_role ON access_binding (tenant_id, role_id);

-- The names by which other programs know a principal (AuthZEN subjects).
CREATE TABLE access_subject (
        tenant_id TEXT NOT NULL,
        type TEXT NOT NULL,
        id TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, type, id),
        FOREIGN KEY (tenant_id, principal_id) REFERENCES principal (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX access_subject_by_principal ON access_subject (tenant_id, principal_id);
