-- SPDX-License-Identifier: Apache-2.0
-- Which move a cell is part of, until `countersign tenant move` has ended. With it a cell whose state is
-- 'moved' is one that arrives.
ALTER TABLE store_cell ADD COLUMN move TEXT COLLATE "C";
