-- SPDX-License-Identifier: Apache-2.0
-- Who said how an action ended whose executor does not say it; NULL: the executor did.
ALTER TABLE action ADD COLUMN settled_by TEXT;
