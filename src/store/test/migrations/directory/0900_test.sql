-- SPDX-License-Identifier: Apache-2.0
CREATE TABLE book (id TEXT NOT NULL PRIMARY KEY, region TEXT NOT NULL) STRICT;
