-- SPDX-License-Identifier: Apache-2.0
-- The embedded store keeps where a cell stands in the names of files (src/store/sqlite_move.c); this
-- statement changes nothing, so that both stores have the same numbers.
UPDATE store_state SET commits_taken_back = commits_taken_back WHERE one = 1;
