#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Our HTTP server against nginx: requests a second of a static reply, and what an idle connection costs.

nginx and our server take turns in each round, so that a machine whose speed
drifts does not favour one. Needs nginx and wrk. The load generator shares the
CPUs with the server.
"""
import argparse
import json
import pathlib
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile

BODY = "".join(chr(ord("a") + i % 26) for i in range(142))
NGINX = """
daemon off; pid {folder}/pid; worker_processes auto; worker_rlimit_nofile 20000; error_log {folder}/error.log;
events {{ worker_connections 9000; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; client_body_temp_path {folder};
  proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port} reuseport backlog=4096;
    location / {{ default_type application/json; return 200 "{body}"; }} }} }}
"""
# About what a browser or an SDK sends.
HEADERS = ["User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0",
           "Accept: application/json, text/plain, */*", "Accept-Language: en-US,en;q=0.5",
           "Accept-Encoding: gzip, deflate, br", "Authorization: Bearer 0123456789abcdef0123456789abcdef"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_ours(program):
    process = subprocess.Popen([program, "0"], stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


def start_nginx(folder):
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, body=BODY))
    process = subprocess.Popen(["nginx", "-c", str(config), "-e", str(folder / "error.log")])
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return process, port
        except ConnectionRefusedError:
            if process.poll() is not None:
                break
            try:
                process.wait(timeout=0.05)
            except subprocess.TimeoutExpired:
                pass
    sys.exit("nginx does not start: " + (folder / "error.log").read_text())


def stop(process):
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=30)


def wrk(port, connections, seconds):
    command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--latency"]
    for header in HEADERS:
        command += ["-H", header]
    output = subprocess.run(command + [f"http://127.0.0.1:{port}/v1/bench"], capture_output=True, text=True,
                            check=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))
    errors = re.search(r"Non-2xx.*|Socket errors.*", output)
    if errors:
        print("   ", errors.group(), file=sys.stderr)
    return {"requests_per_s": rate, "p50": re.search(r"50%\s+(\S+)", output).group(1),
            "p99": re.search(r"99%\s+(\S+)", output).group(1)}


def speed(program, rounds, seconds, folder):
    results = []
    ours, our_port = start_ours(program)
    nginx, nginx_port = start_nginx(folder)
    for connections in (64, 1000):
        ratios, ours_all, nginx_all = [], [], []
        for number in range(rounds):
            order = [("ours", our_port), ("nginx", nginx_port)]
            for name, port in order if number % 2 == 0 else order[::-1]:
                (ours_all if name == "ours" else nginx_all).append(wrk(port, connections, seconds))
            ratios.append(ours_all[-1]["requests_per_s"] / nginx_all[-1]["requests_per_s"])
        median = {name: statistics.median(r["requests_per_s"] for r in rows)
                  for name, rows in (("ours", ours_all), ("nginx", nginx_all))}
        print(f"static reply, {connections:4} connections: {median['ours'] / 1000:6.1f}k/s ours, "
              f"{median['nginx'] / 1000:6.1f}k/s nginx, ratio {statistics.median(ratios):.2f} "
              f"({min(ratios):.2f} to {max(ratios):.2f}); p99 {ours_all[-1]['p99']} ours, {nginx_all[-1]['p99']} nginx",
              flush=True)
        results.append({"connections": connections, "ratio": statistics.median(ratios), "ratios": ratios,
                        "ours": ours_all, "nginx": nginx_all})
    stop(ours)
    stop(nginx)
    return results


def memory_bytes(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1)) * 1024


def idle(program, connections):
    process, port = start_ours(program)
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    sockets = []

    def connect():
        peer = socket.create_connection(("127.0.0.1", port))
        peer.sendall(request)
        reply = b""
        while not reply.endswith(BODY.encode()):
            reply += peer.recv(4096)
        sockets.append(peer)

    for _ in range(100):  # what the first ones bring up is not theirs
        connect()
    before = memory_bytes(process.pid)
    while len(sockets) < connections + 100:
        connect()
    after = memory_bytes(process.pid)
    for peer in sockets:
        peer.close()
    stop(process)
    each = (after - before) / connections
    print(f"{connections} idle keep-alive connections: {each:.0f} bytes each (start {before / 2**20:.1f} MiB)",
          flush=True)
    return {"connections": connections, "bytes_each": each, "start_bytes": before}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release", type=pathlib.Path)
    parser.add_argument("--results", default="build/bench", type=pathlib.Path)
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--seconds", default=2, type=int)
    parser.add_argument("--idle", default=10000, type=int)
    args = parser.parse_args()
    program = str(args.build / "tests/bench/http/http_bench_server")
    missing = [tool for tool in ("nginx", "wrk") if not shutil.which(tool)]
    if missing:
        sys.exit(f"missing: {', '.join(missing)} (apt-get install {' '.join(missing)})")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    connections = min(args.idle, limit - 500)
    with tempfile.TemporaryDirectory() as folder:
        results = {"speed": speed(program, args.rounds, args.seconds, pathlib.Path(folder)),
                   "idle": idle(program, connections)}
    args.results.mkdir(parents=True, exist_ok=True)
    (args.results / "http.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
