-- SPDX-License-Identifier: Apache-2.0
-- The tamper-evident log: epochs, entries, complete tiles. Nothing here is ever deleted.

CREATE TABLE log_epoch (
        tenant_id TEXT NOT NULL,
        epoch INTEGER NOT NULL CHECK (epoch > 0),
        opened_ms INTEGER NOT NULL,
        -- The log's name and key; null until the first checkpoint needs them.
        origin TEXT,
        public_key BLOB,
        wrapped_seed BLOB,
        -- The last checkpoint that was signed.
        signed_size INTEGER NOT NULL DEFAULT 0,
        signed_root BLOB,
        signed_note TEXT,
        PRIMARY KEY (tenant_id, epoch),
        CHECK ((origin IS NULL) = (public_key IS NULL) AND (origin IS NULL) = (wrapped_seed IS NULL)),
        CHECK ((signed_note IS NULL) = (signed_root IS NULL) AND (signed_note IS NOT NULL OR signed_size = 0))
) STRICT, WITHOUT ROWID;

-- A leaf's exact bytes, and its RFC 6962 hash.
CREATE TABLE log_entry (
        tenant_id TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        seq INTEGER NOT NULL CHECK (seq >= 0),
        hash BLOB NOT NULL CHECK (length(hash) = 32),
        leaf BLOB NOT NULL CHECK (length(leaf) <= 65535),
        PRIMARY KEY (tenant_id, epoch, seq),
        FOREIGN KEY (tenant_id, epoch) REFERENCES log_epoch (tenant_id, epoch)
) STRICT;

-- Complete tiles of 256 hashes, and the root over them, which is a hash of the level above.
CREATE TABLE log_tile (
        tenant_id TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        level INTEGER NOT NULL CHECK (level BETWEEN 0 AND 7),
        tile_index INTEGER NOT NULL CHECK (tile_index >= 0),
        root BLOB NOT NULL CHECK (length(root) = 32),
        hashes BLOB NOT NULL CHECK (length(hashes) = 8192),
        PRIMARY KEY (tenant_id, epoch, level, tile_index),
        FOREIGN KEY (tenant_id, epoch) REFERENCES log_epoch (tenant_id, epoch)
) STRICT;
