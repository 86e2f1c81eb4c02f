#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""./dev bench [NAME…]: the figures of Countersign, as ratios against a peer in the same run where there is one.

  all      everything but io and cel (the default)
  api      authenticated GET of an action, keep-alive, 64 connections, against nginx's static reply of the same size
  actions  submit, decide, claim, report by 64 clients, durable; what the signature checks cost of it
  log      durable appends to the tamper-evident log, against plain SQLite
  store    SQLite and PostgreSQL side by side: rates, what row-level security costs, one node and two, a node's death
  identity  what it costs to know who holds a credential that was verified already, and to verify a JWT; log-ins
            by password, and what other requests feel of them
  memory   idle server and executor
  http     10,000 idle keep-alive connections
  tenancy  authorization with warm caches; 100,000 tenants: start, memory, creation, pages
  tenants  10,000 tenants: start, memory, the last's creation against the first's
  start    start to first reply on an empty store
  io       the HTTP server alone, a static reply, against nginx's
  cel      the CEL engine, against @bufbuild/cel

Figures are information: nothing here passes or fails a test. Load generators share the CPUs with what they measure.
On a machine that is busy with other work, `chrt -r 1 ./dev bench NAME --rounds 3 --seconds 1` keeps the others out.
"""
import argparse
import contextlib
import datetime
import http.client
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

NAMES = ["api", "actions", "log", "store", "identity", "memory", "http", "tenants", "start"]


class Report:
    """Raw lines into a file, and a row for each figure."""

    def __init__(self, folder):
        self.folder = folder
        self.rows = []
        folder.mkdir(parents=True, exist_ok=True)

    def raw(self, name, line):
        text = line if isinstance(line, str) else json.dumps(line)
        print(f"  {text}", flush=True)
        with open(self.folder / f"{name}.jsonl", "a", encoding="utf-8") as file:
            file.write(text + "\n")

    def row(self, what, value, must, reached):
        self.rows.append((what, value, must, "reached" if reached else "missed"))

    def note(self, what, value):
        self.rows.append((what, value, "", ""))

    def table(self):
        widths = [max(len(row[i]) for row in self.rows) for i in range(3)]
        return "\n".join("  ".join(row[i].ljust(widths[i]) for i in range(3)) + "  " + row[3] for row in self.rows)


# ---- requests --------------------------------------------------------------------------------------------------------

def bench_api(world, options, folder, report):
    """Both as they come (each writes a line for each request into a file), and both without such lines."""
    for label, lines in (("with a log line each", True), ("without log lines", False)):
        place = world.Place(folder / f"api-{lines}", options=() if lines else ("--log-requests", "false"))
        path, authorization, headers, body = world.start_countersign_reply(place)
        nginx = world.Nginx(folder / f"nginx-{lines}", headers, len(body), access_log=lines)
        ratios, by_cpu = [], []
        try:
            for _ in range(options.rounds):
                ours = world.wrk(place.server.port, path, authorization, place.server.usage, 64, options.seconds)
                peer = world.wrk(nginx.port, path, authorization, nginx.usage, 64, options.seconds)
                ratios.append(ours["per_second"] / peer["per_second"])
                by_cpu.append((peer["cpu_us"] + peer["wrk_cpu_us"]) / (ours["cpu_us"] + ours["wrk_cpu_us"]))
                report.raw("api", {"case": label, "body_bytes": len(body), "ours": ours, "nginx": peer,
                                   "ratio": round(ratios[-1], 3)})
        finally:
            nginx.stop()
            place.close()
        ratio = world.median(ratios)
        report.row(f"GET of an action against nginx, {label}", f"{ratio:.2f}", "≥ 0.6", ratio >= 0.6)
        report.note("… by the CPU that server and wrk spend, whatever else runs", f"{world.median(by_cpu):.2f}")


def bench_actions(world, options, folder, report):
    place = world.Place(folder / "actions")
    private = world.harness.serialization
    def person(api_key, key):
        seed = key.private.private_bytes(private.Encoding.Raw, private.PrivateFormat.Raw, private.NoEncryption())
        return {"api_key": api_key, "seed": seed.hex()}

    told = {"url": place.server.url, "workspace": place.tenant.workspace, "executor_id": place.executor.id,
            "server_pid": place.server.process.pid, "clients": 64, "run_ms": int(options.seconds * 1000),
            "agent": person(place.agent.api.key, place.agent.key),
            "approver": person(place.approver.api.key, place.approver.key),
            "executor": person(place.executor.api.key, place.executor.key)}
    results = []
    try:
        for _ in range(options.rounds):
            done = subprocess.run([options.build / "tests/bench/actions/actions_bench"], input=json.dumps(told),
                                  capture_output=True, text=True, check=False)
            if done.returncode != 0:
                sys.exit(f"actions_bench: exit {done.returncode}\n{done.stderr}")
            results.append(json.loads(done.stdout))
            report.raw("actions", results[-1])
    finally:
        place.close()
    rate = world.median([result["per_second"] for result in results])
    checks = world.median([CHECKS * result["check_us"] for result in results])
    rest = world.median([result["server_cpu_us"] - CHECKS * result["check_us"] for result in results])
    client = world.median([result["client_cpu_us"] for result in results])
    report.row("actions a second, durable, 64 clients", f"{rate:.0f}", "≥ 2,000", rate >= 2000)
    report.row("… the server's CPU for each besides signature checks", f"{rest:.0f} µs, checks {checks:.0f} µs",
               "≤ as much again", rest <= checks)
    report.note("… the clients' CPU for each, on the same CPUs", f"{client:.0f} µs")


# What the server verifies of one action with one approver: the decision, and the report.
CHECKS = 2


def run_lines(report, name, command):
    """The JSON lines of a benchmark in C."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{command[0]}: exit {done.returncode}\n{done.stderr}")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    for line in lines:
        report.raw(name, line)
    return {line["bench"]: line for line in lines}


def bench_log(world, options, _folder, report):
    command = [options.build / "tests/bench/log/log_bench", "--seconds", str(options.seconds)]
    rounds = [run_lines(report, "log", command) for _ in range(options.rounds)]
    rate = world.median([one["log appends"]["per_second"] for one in rounds])
    ratio = world.median([one["log appends"]["ratio"] for one in rounds])
    report.row("log appends a second, durable, batched", f"{rate:.0f}", "≥ 20,000", rate >= 20000)
    report.note("… against SQLite alone, same bytes and batches", f"{ratio:.2f}")


def bench_identity(world, options, folder, report):
    command = [options.build / "tests/bench/identity/identity_bench", "--seconds", str(options.seconds)]
    rounds = [run_lines(report, "identity", command) for _ in range(options.rounds)]

    def median_ns(name):
        return world.median([one[name]["ns"] for one in rounds])

    for name in ("api key hit", "session hit"):
        report.row(f"verified token known again, {name.removesuffix(' hit')}", f"{median_ns(name) / 1000:.2f} µs",
                   "≤ 2 µs", median_ns(name) <= 2000)
    report.note("… of which the one SHA-256", f"{median_ns('sha256 of a token') / 1000:.2f} µs")
    command = [options.build / "tests/bench/identity/jose_bench", "--seconds", str(options.seconds)]
    rounds = [run_lines(report, "identity", command) for _ in range(options.rounds)]
    for name in rounds[0]:
        ratio = world.median([one[name]["ratio"] for one in rounds])
        report.row(f"a token verified, {name}, over OpenSSL's verification", f"{ratio:.2f}", "≤ 1.2", ratio <= 1.2)
    import bench_passwords

    bench_passwords.bench(world, options, folder, report, run_lines)


def bench_access(world, options, report):
    """Authorization with warm caches; beside the tenants, since it is what every request of theirs pays."""
    command = [options.build / "tests/bench/access/access_bench", "--seconds", str(options.seconds)]
    rounds = [run_lines(report, "access", command) for _ in range(options.rounds)]
    for name, one in rounds[0].items():
        spent = world.median([lines[name]["ns"] for lines in rounds])
        report.row(f"{name} ({one['conditions']} conditions)" if one["conditions"] else name, f"{spent / 1000:.2f} µs",
                   f"≤ {one['most_ns'] // 1000} µs", spent <= one["most_ns"])


def bench_tenancy(world, options, folder, report):
    bench_access(world, options, report)
    import bench_tenants
    bench_tenants.bench(world, options, folder, report)


def bench_store(world, options, folder, report):
    import store

    store.bench(world, options, folder, report)


# ---- size and start --------------------------------------------------------------------------------------------------

def settled_kib(usage):
    """Memory once it has stopped to change."""
    last, same = usage.memory_kib(), 0
    while same < 3:
        time.sleep(0.3)
        now = usage.memory_kib()
        same = same + 1 if now == last else 0
        last = now
    return last


def bench_memory(world, _options, folder, report):
    place = world.Place(folder / "memory")
    executor = world.harness.RealExecutor(place.tenant, folder / "memory-executor", folder / "no-docker.sock")
    try:
        executor.start()
        memory = {"server": settled_kib(place.server.usage),
                  "executor": settled_kib(world.Usage(executor.process.process.pid))}
    finally:
        executor.stop()
        place.close()
    report.raw("memory", memory)
    for name, most in (("server", 16), ("executor", 10)):
        mib = memory[name]["rss"] / 1024
        report.row(f"idle {name}, resident", f"{mib:.1f} MiB (Pss {memory[name]['pss'] / 1024:.1f})", f"≤ {most} MiB",
                   mib <= most)


def bench_http(world, options, folder, report):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    count = min(options.connections, most - 500)
    place = world.Place(folder / "http", options=("--limits-idle-timeout", "30m"))
    request = (f"GET {place.tenant.path} HTTP/1.1\r\nHost: bench\r\n"
               f"Authorization: Bearer {place.tenant.admin.api.key}\r\n\r\n").encode()
    kept = []

    def open_one():
        one = socket.create_connection(("127.0.0.1", place.server.port))
        one.sendall(request)
        if not one.recv(65536).startswith(b"HTTP/1.1 200"):
            sys.exit("a connection was not served")
        kept.append(one)

    try:
        for _ in range(200):
            open_one()
        for one in kept:
            one.close()
        kept.clear()
        before = settled_kib(place.server.usage)["rss"]
        for _ in range(count):
            open_one()
        after = settled_kib(place.server.usage)["rss"]
    finally:
        for one in kept:
            one.close()
        place.close()
    each = (after - before) * 1024 / count
    report.raw("http", {"connections": count, "before_kib": before, "after_kib": after, "bytes_each": round(each)})
    report.row(f"{count} idle connections, each", f"{each:.0f} bytes", "≤ 2,048", each <= 2048)


def create_tenants(server, count):
    """Microseconds for each, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {"Authorization": f"Bearer {server.bootstrap_key}", "Content-Type": "application/json"}
    spent = []
    for number in range(count):
        body = json.dumps({"name": f"tenant-{number}"})
        start = time.perf_counter()
        connection.request("POST", "/v1/tenants", body, headers)
        response = connection.getresponse()
        answer = response.read()
        spent.append((time.perf_counter() - start) * 1e6)
        if response.status != 201:
            sys.exit(f"tenant {number}: {response.status} {answer.decode()}")
    connection.close()
    return spent


def bench_tenants(world, options, folder, report):
    server = world.FileServer(folder / "tenants").start()
    try:
        spent = create_tenants(server, options.tenants)
        grown = server.usage.memory_kib()["rss"] / 1024
        server.stop()
        starts = []
        for _ in range(3):
            start = time.perf_counter()
            server.start()
            starts.append(time.perf_counter() - start)
            rss = server.usage.memory_kib()["rss"] / 1024
            server.stop()
    finally:
        server.stop()
    few = min(200, options.tenants // 10)
    first, last = world.median(spent[:few]), world.median(spent[-few:])
    hundreds = [round(world.median(spent[i:i + few])) for i in range(0, options.tenants, max(few, options.tenants // 20))]
    report.raw("tenants", {"tenants": options.tenants, "first_us": round(first), "last_us": round(last),
                           "medians_us": hundreds, "start_s": [round(one, 3) for one in starts],
                           "rss_after_start_mib": round(rss, 1), "rss_after_creating_mib": round(grown, 1)})
    start = world.median(starts)
    report.row(f"{options.tenants} tenants: start", f"{start * 1000:.0f} ms", "< 1 s", start < 1)
    report.row("… memory after the start, after creating them all", f"{rss:.1f} MiB, {grown:.1f} MiB", "< 64 MiB",
               max(rss, grown) < 64)
    report.row("… creating the last against the first", f"{last / first:.2f} ({last:.0f} µs)", "≤ 1.2",
               last <= 1.2 * first)


def bench_start(world, options, folder, report):
    spent = []
    for number in range(max(5, options.rounds)):
        server = world.FileServer(folder / f"start-{number}")
        start = time.perf_counter()
        server.start()
        spent.append((time.perf_counter() - start) * 1000)
        server.stop()
    report.raw("start", {"ms": [round(one, 1) for one in spent]})
    report.row("start to first reply, empty store", f"{world.median(spent):.0f} ms", "≤ 100 ms",
               world.median(spent) <= 100)


def bench_cel(_world, options, _folder, report):
    script = pathlib.Path(__file__).parent / "cel" / "run.sh"
    subprocess.run(["sh", script], check=True,
                   env={**os.environ, "BUILD_DIR": str(options.build), "RESULTS_DIR": str(report.folder)})


def bench_io(_world, options, _folder, report):
    subprocess.run(["ninja", "-C", options.build, "tests/bench/http/http_bench_server"], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run([sys.executable, pathlib.Path(__file__).parent / "http" / "http_bench.py", "--build", options.build,
                    "--results", report.folder, "--rounds", str(options.rounds), "--seconds", str(options.seconds)],
                   check=True)


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    parser.add_argument("--results", type=pathlib.Path, default=pathlib.Path("build/bench"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of each round")
    parser.add_argument("--tenants", type=int, default=10000)
    parser.add_argument("--connections", type=int, default=10000)
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.seconds = max(1, round(options.seconds))
    names = options.names or ["all"]
    for name in names:
        if name not in [*NAMES, "io", "cel", "tenancy", "all"]:
            parser.error(f"there is no benchmark \"{name}\"")
    options.names = [name for name in [*NAMES, "io", "cel", "tenancy"] if name in names or ("all" in names and name in NAMES)]
    return options


def main():
    options = arguments()
    os.environ["COUNTERSIGN_BINARY"] = str(options.build / "src/server/countersign")
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    import world  # names the program when it is loaded

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    report = Report(options.results)
    machine = {**world.machine(), "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M")}
    print(f"{machine['cpus']} CPUs ({machine['cpu']}), Linux {machine['kernel']}, "
          f"load average before {machine['load_average']}")
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder:
        for name in options.names:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(report.folder / f"{name}.jsonl")
            print(f"{name}:", flush=True)
            report.raw(name, machine)
            globals()[f"bench_{name}"](world, options, pathlib.Path(folder), report)
    if report.rows:
        print()
        print(report.table())
        print("\nA missed figure fails nothing. The raw lines are in", report.folder)


if __name__ == "__main__":
    main()
