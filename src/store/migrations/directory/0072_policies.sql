-- SPDX-License-Identifier: Apache-2.0
-- The policies of the platform and of tiers, which every node must see, whatever regions it can reach.

CREATE TABLE platform_policy (
        layer TEXT NOT NULL CHECK (layer IN ('platform', 'tier')),
        scope TEXT NOT NULL,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        digest TEXT NOT NULL,
        content TEXT NOT NULL,
        PRIMARY KEY (layer, scope, name)
) STRICT;
