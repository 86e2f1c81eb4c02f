# SPDX-License-Identifier: Apache-2.0
"""100,000 tenants on the embedded store, as part of ./dev bench tenancy.

The first and the last few hundred tenants are made over the API. A cell of its own
for each of the others would be 40 GB of copies of one file: they are rows in the
directory, as the API makes them, and names of one file in the cells' folder. So
everything that grows with the number of tenants is as large as it would be: the
directory's tables and indexes, the folder, what a start looks at.
"""
import http.client
import json
import os
import pathlib
import random
import sqlite3
import sys
import tempfile
import time

LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
MADE = 300  # over the API, first and last
PAGES = 200


def make_id(prefix, time_ms, rng):
    """A UUIDv7 in Crockford's base32, as src/base/id.h says."""
    value = time_ms << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62)
    return prefix + "_" + "".join(LETTERS[value >> 5 * (25 - i) & 31] for i in range(26))


def create(server, count, stem):
    """Microseconds for each, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {"Authorization": f"Bearer {server.bootstrap_key}", "Content-Type": "application/json"}
    spent = []
    for number in range(count):
        began = time.perf_counter()
        connection.request("POST", "/v1/tenants", json.dumps({"name": f"{stem}-{number}"}), headers)
        response = connection.getresponse()
        answer = response.read()
        spent.append((time.perf_counter() - began) * 1e6)
        if response.status != 201:
            sys.exit(f"{stem}-{number}: {response.status} {answer.decode()}")
    connection.close()
    return spent


def measured(server, stem):
    """(microseconds for each, the server's CPU for one)"""
    before = server.usage.cpu_s()
    spent = create(server, MADE, stem)
    return spent, (server.usage.cpu_s() - before) * 1e6 / MADE


def fast(spent):
    return sorted(spent)[len(spent) // 4]


def fill(data, count):
    """The tenants in between."""
    rng = random.Random(1)
    now = int(time.time() * 1000)
    cells = next(path for path in (data / "cells").iterdir() if path.is_dir())
    one = next(cells.glob("ten_*.db"))
    tenants = [(make_id("ten", now - count + i, rng), f"filler-{i}", json.dumps({"odd": str(i % 2), "lot": str(i % 1000)},
                                                                                separators=(",", ":"))) for i in range(count)]
    directory = sqlite3.connect(data / "directory.db")
    with directory:
        directory.executemany(
            "INSERT INTO tenant (id, name, tier, region, state, platform, created_ms, labels) "
            "VALUES (?, ?, 'standard', 'local', 'active', 0, ?, ?)", [(t, name, now, labels) for t, name, labels in tenants])
        directory.executemany("INSERT INTO workspace_place (workspace_id, tenant_id, region) VALUES (?, ?, 'local')",
                              [(make_id("wsp", now, rng), t) for t, _, _ in tenants])
        directory.executemany(
            "INSERT INTO credential_place (kind, prefix, tenant_id, region, created_ms) VALUES ('cs', ?, ?, 'local', ?)",
            [("".join(rng.choice(LETTERS) for _ in range(8)) + LETTERS[i % 32], t, now) for i, (t, _, _) in enumerate(tenants)])
    directory.close()
    # A file has at most 65,000 names on some file systems.
    source, names = one, 0
    for tenant, _, _ in tenants:
        if names == 30000:
            copy = cells / "copied"
            copy.write_bytes(one.read_bytes())
            os.link(copy, cells / f"{tenant}.db")
            copy.unlink()
            source, names = cells / f"{tenant}.db", 1
            continue
        os.link(source, cells / f"{tenant}.db")
        names += 1
    return [tenant for tenant, _, _ in tenants]


def pages(server, cursors, query):
    """Milliseconds for a page from each cursor."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {"Authorization": f"Bearer {server.bootstrap_key}"}
    spent = []
    for cursor in cursors:
        began = time.perf_counter()
        connection.request("GET", f"/v1/tenants?{query}&cursor={cursor}", headers=headers)
        response = connection.getresponse()
        answer = response.read()
        spent.append((time.perf_counter() - began) * 1e3)
        if response.status != 200:
            sys.exit(f"a page: {response.status} {answer.decode()}")
    connection.close()
    return sorted(spent)


def cursors_of(server):
    """Every so many pages, a cursor as the server makes them."""
    api = server.api(server.bootstrap_key)
    found, page = [], api.ok("GET", "/v1/tenants", params={"limit": 200})
    while page.get("next"):
        found.append(page["next"])
        page = api.ok("GET", "/v1/tenants", params={"limit": 200, "cursor": page["next"]})
    return found


def bench(world, options, folder, report):
    count = getattr(options, "tenants_many", 100000)
    base = pathlib.Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else folder
    with tempfile.TemporaryDirectory(prefix="countersign-tenants-", dir=base) as place:
        server = world.FileServer(pathlib.Path(place) / "server", options=("--log-requests", "false")).start()
        try:
            create(server, 20, "warm")
            first, first_cpu = measured(server, "first")
            server.stop()
            fill(server.data, count)
            starts = []
            for _ in range(3):
                began = time.perf_counter()
                server.start()
                starts.append(time.perf_counter() - began)
                started_mib = server.usage.memory_kib()["rss"] / 1024
                server.stop()
            server.start()
            create(server, 20, "warm-again")
            last, last_cpu = measured(server, "last")
            cursors = random.Random(2).sample(cursors_of(server), PAGES)
            listed = {query: pages(server, cursors, query) for query in ("limit=50", "limit=200", "limit=50&selector=odd%3D1",
                                                                        "limit=50&selector=lot%3D7")}
            memory_mib = server.usage.memory_kib()["rss"] / 1024
        finally:
            server.stop()
    # Others on the machine make the median wait; the quarter of them that were fastest wait least.
    start, ratio = world.median(starts), fast(last) / fast(first)
    p95 = {query: spent[int(0.95 * len(spent))] for query, spent in listed.items()}
    report.raw("tenancy", {"tenants": count, "first_us": round(world.median(first)), "last_us": round(world.median(last)),
                           "fast_first_us": round(fast(first)), "fast_last_us": round(fast(last)),
                           "cpu_first_us": round(first_cpu), "cpu_last_us": round(last_cpu),
                           "start_s": [round(one, 3) for one in starts], "rss_after_start_mib": round(started_mib, 1),
                           "rss_at_the_end_mib": round(memory_mib, 1),
                           "page_p95_ms": {query: round(value, 2) for query, value in p95.items()}})
    report.row(f"{count} tenants: start", f"{start * 1000:.0f} ms", "< 2 s", start < 2)
    report.row("… memory after the start, at the end", f"{started_mib:.1f} MiB, {memory_mib:.1f} MiB", "< 256 MiB",
               max(started_mib, memory_mib) < 256)
    report.row("… creating the last against the first", f"{ratio:.2f} ({fast(last):.0f} µs; CPU {last_cpu / first_cpu:.2f})", "≤ 1.1", ratio <= 1.1)
    report.row("… any page of the list, p95", f"{max(p95.values()):.1f} ms", "< 20 ms", max(p95.values()) < 20)
