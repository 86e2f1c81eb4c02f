# SPDX-License-Identifier: Apache-2.0
"""Keeps every exchange of the scenarios, for tools/check_exchanges.py to hold against the contract."""
import base64
import json
import os
import pathlib
import threading
import urllib.parse

_folder = os.environ.get("COUNTERSIGN_EXCHANGES")
_lock = threading.Lock()


def record(response):
    """One line for one exchange; nothing unless COUNTERSIGN_EXCHANGES names a folder."""
    if not _folder:
        return
    request = response.request
    url = urllib.parse.urlsplit(request.url)
    line = json.dumps({
        "method": request.method,
        "path": url.path,
        "query": url.query,
        "status": response.status_code,
        "content_type": response.headers.get("Content-Type", ""),
        "headers": dict(response.headers),
        "body": base64.b64encode(response.content).decode(),
    })
    with _lock, (pathlib.Path(_folder) / f"exchanges-{os.getpid()}.jsonl").open("a") as out:
        out.write(line + "\n")
