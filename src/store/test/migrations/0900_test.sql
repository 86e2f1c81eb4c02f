-- SPDX-License-Identifier: Apache-2.0
-- Tables for the store's own tests.
CREATE TABLE shelf (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        PRIMARY KEY (tenant_id, id)
) STRICT;

CREATE TABLE note (
        tenant_id TEXT NOT NULL,
        id INTEGER NOT NULL,
        title TEXT NOT NULL,
        body BLOB,
        amount INTEGER,
        done INTEGER NOT NULL CHECK (done IN (0, 1)),
        shelf_id TEXT,
        PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, shelf_id) REFERENCES shelf (tenant_id, id)
) STRICT;
CREATE INDEX note_title ON note (tenant_id, title);
