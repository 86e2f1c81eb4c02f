# SPDX-License-Identifier: Apache-2.0
"""A server that has been taken over: everything goes to the real one and back, but what `lie` makes of an answer."""
import http.client
import http.server
import json
import threading
import urllib.parse


class LyingServer:
    """`lie(method, path, answer)` gets each JSON answer and returns what the executor shall see instead."""

    def __init__(self, real_url, lie):
        self.real = urllib.parse.urlsplit(real_url)
        self.lie = lie
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def relay(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                connection = http.client.HTTPConnection(outer.real.hostname, outer.real.port, timeout=90)
                try:
                    headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "content-length")}
                    connection.request(self.command, self.path, body, headers)
                    response = connection.getresponse()
                    data = response.read()
                    kind = response.headers.get("Content-Type", "")
                    if response.status < 300 and data and "json" in kind:
                        data = json.dumps(outer.lie(self.command, self.path, json.loads(data))).encode()
                    self.send_response(response.status)
                    self.send_header("Content-Type", kind)
                    if response.status != 204:
                        self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    self.close_connection = True
                finally:
                    connection.close()

            do_GET = do_POST = relay

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()
