-- SPDX-License-Identifier: Apache-2.0
-- How the nodes of one directory change their root key together (src/keys/rotation_nodes.h).

-- Which root key all of them have, and how far the way to it is. `key_id` tells two keys of one version apart.
CREATE TABLE root_rotation (
        one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
        version INTEGER NOT NULL,
        key_id TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('settled', 'offered', 'wrapping'))
) STRICT, WITHOUT ROWID;

-- What each node that runs says of itself, and what is sent to it.
CREATE TABLE root_node (
        id TEXT NOT NULL PRIMARY KEY,
        public_key BLOB NOT NULL,
        -- That it has the derivation secret of the key file.
        proof BLOB NOT NULL,
        -- Ids of the newest key that it can open, and of the one that it wraps with.
        knows TEXT NOT NULL,
        wraps TEXT NOT NULL,
        -- The version under which it has wrapped all that is in its regions.
        done INTEGER NOT NULL,
        -- Counts up while the node lives. Others watch it, so nobody's clock matters.
        steps INTEGER NOT NULL,
        -- The next key, under a key that only this process can agree on.
        offer BLOB
) STRICT, WITHOUT ROWID;

-- Under which version everything in a region is.
CREATE TABLE root_region (
        region TEXT NOT NULL PRIMARY KEY,
        version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
