# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks measure in: the machine, processes and what they use, a server with a tenant, nginx, wrk."""
import contextlib
import http.client
import os
import pathlib
import platform
import re
import socket
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "scenarios"))

import harness  # noqa: E402  the scenarios' people and places

TARGET = "4f1c2d3e" * 8
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def machine():
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    load = " ".join(f"{part:.1f}" for part in os.getloadavg())
    return {"cpus": len(os.sched_getaffinity(0)), "cpu": model.group(1) if model else platform.machine(),
            "kernel": platform.release(), "load_average": load}


def median(values):
    return statistics.median(values)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Usage:
    """CPU and memory of a process, its children included where it has workers."""

    def __init__(self, pid):
        self.pid = pid

    def pids(self):
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def cpu_s(self):
        total = 0
        for pid in self.pids():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / CLOCK_TICKS

    def memory_kib(self):
        text = pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return {name.lower(): int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M).group(1)) for name in ("Rss", "Pss")}


class FileServer(harness.Server):
    """As the scenarios' server, but its log lines go to a file, as they do in production: no reader shares the CPU."""

    def start(self, env=None, ready=True):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()
        self.log = self.folder / "server.log"
        with open(self.log, "ab") as log:
            at = log.tell()
            self.process = subprocess.Popen(
                [str(harness.binary()), "server", "--data-folder", str(self.data), "--listen-port", str(self.port),
                 "--rate-address", "0", "--rate-standard-tenant", "none", "--rate-standard-principal", "none",
                 *harness.LOOK_INSIDE, *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.env, **(env or {})})
        self.url = f"http://127.0.0.1:{self.port}"
        self.first_reply(60)
        text = ""
        while " serving " not in text:  # it answers a moment before it says so
            text = self.log.read_bytes()[at:].decode(errors="replace")
        key = re.search(r"^API key:\s+(cs_\S+)", text, re.M)
        if key:
            self.bootstrap_key = key.group(1)
        return self

    def first_reply(self, patience_s):
        """Waits until /healthz answers."""
        deadline = time.monotonic() + patience_s
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as one:
                one.sendall(b"GET /healthz HTTP/1.1\r\nHost: bench\r\n\r\n")
                if one.recv(4096).startswith(b"HTTP/1.1 200"):
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the server does not answer:\n{self.log.read_text()}")
            time.sleep(0.0005)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    @property
    def usage(self):
        return Usage(self.process.pid)


class Place:
    """A server with one tenant: an agent, an approver on the roster, an executor played over HTTP."""

    def __init__(self, folder, options=()):
        self.server = FileServer(folder, options=options).start()
        created = self.server.api(self.server.bootstrap_key).ok("POST", "/v1/tenants", {"name": "bench"})
        self.tenant = harness.Tenant(self.server, created)
        self.agent = self.tenant.agent()
        self.approver = self.tenant.approver()
        self.tenant.put_roster(self.approver)
        self.executor = harness.HandExecutor(self.tenant)

    def close(self):
        self.server.stop()


def start_countersign_reply(place):
    """Path, headers to send, and the reply of one action that waits."""
    action = place.agent.submit(target=TARGET, parameters={"force": True}, task_name="bench")
    path = f"{place.tenant.actions}/{action['id']}"
    connection = http.client.HTTPConnection("127.0.0.1", place.server.port)
    authorization = f"Bearer {place.agent.api.key}"
    connection.request("GET", path, headers={"Authorization": authorization})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return path, authorization, response.getheaders(), body


NGINX = """
daemon off; pid {folder}/pid; worker_processes auto; worker_rlimit_nofile 20000; error_log {folder}/error.log;
events {{ worker_connections 9000; }}
http {{
  access_log {access_log}; server_tokens off; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
  scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port} reuseport backlog=4096;
    location / {{ default_type application/json; {headers} return 200 "{body}"; }}
  }}
}}
"""


class Nginx:
    """nginx, one worker for each CPU, with a static reply: a body of that size, and those headers."""

    def __init__(self, folder, headers, body_bytes, access_log):
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        own = {"content-type", "content-length", "date", "server", "connection"}
        lines = " ".join(f"add_header {name} '{value}';" for name, value in headers if name.lower() not in own)
        body = "".join(chr(ord("a") + i % 26) for i in range(body_bytes))
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, port=self.port, headers=lines, body=body,
                                       access_log=folder / "access.log" if access_log else "off"))
        self.process = subprocess.Popen(["nginx", "-c", str(config), "-e", str(folder / "error.log")])
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5):
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("nginx does not start: " + (folder / "error.log").read_text())
            time.sleep(0.005)

    @property
    def usage(self):
        return Usage(self.process.pid)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def wrk(port, path, authorization, usage, connections, seconds):
    """Requests a second, latencies, and the server's CPU microseconds for each request."""
    before, client = usage.cpu_s(), os.times()
    output = subprocess.run(["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--latency", "-H",
                             f"Authorization: {authorization}", f"http://127.0.0.1:{port}{path}"],
                            capture_output=True, text=True, check=True).stdout
    spent, after = usage.cpu_s() - before, os.times()
    client_s = after.children_user + after.children_system - client.children_user - client.children_system
    wrong = re.search(r"Non-2xx.*|Socket errors.*", output)
    if wrong:
        sys.exit(f"wrk: {wrong.group(0)}")
    requests = int(re.search(r"(\d+) requests in", output).group(1))
    return {"per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1)),
            "p50": re.search(r" 50%\s+(\S+)", output).group(1), "p99": re.search(r" 99%\s+(\S+)", output).group(1),
            "cpu_us": round(spent * 1e6 / requests, 2), "wrk_cpu_us": round(client_s * 1e6 / requests, 2)}
