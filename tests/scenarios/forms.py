# SPDX-License-Identifier: Apache-2.0
"""A browser without a script: pages, their forms, and cookies."""
import html.parser
import re

import requests

import harness


class _Forms(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.forms = []
        self.open = None

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form":
            self.open = {"action": attrs["action"], "fields": {}, "data": {}}
            self.forms.append(self.open)
        elif tag == "input" and self.open is not None and "name" in attrs:
            self.open["fields"][attrs["name"]] = attrs.get("value", "")
        elif self.open is not None and "data-webauthn" in attrs:
            self.open["data"] = {name[5:]: value for name, value in attrs.items() if name.startswith("data-")}

    def handle_endtag(self, tag):
        if tag == "form":
            self.open = None


class Page:
    def __init__(self, response):
        self.response = response
        self.status = response.status_code
        self.text = response.text
        parser = _Forms()
        parser.feed(response.text)
        self.forms = parser.forms

    @property
    def location(self):
        return self.response.headers.get("Location")

    @property
    def code(self):
        """The code of a refusal."""
        match = re.search(r"\(([A-Z_]+)\)</p>", self.text)
        return match.group(1) if match else None

    def form(self, action):
        found = [form for form in self.forms if form["action"] == action]
        assert found, f"no form for {action} in:\n{self.text}"
        return found[-1]


class Browser:
    """Cookies are kept as a browser keeps them, also those with Secure on a loopback address."""

    def __init__(self, url, origin=None):
        self.url = url
        self.origin = origin or url
        self.cookies = {}
        self.session = requests.Session()
        self.session.trust_env = False

    def _send(self, method, path, **more):
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
                   "Sec-Fetch-Site": "same-origin", **more.pop("headers", {})}
        if method == "POST":
            headers.setdefault("Origin", self.origin)
        response = self.session.request(method, self.url + path, headers=headers, allow_redirects=False,
                                        timeout=harness.PATIENCE_S, **more)
        for text in response.raw.headers.getlist("Set-Cookie"):
            name, _, value = text.split(";")[0].partition("=")
            if "Max-Age=0" in text:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        self.session.cookies.clear()
        return Page(response)

    def get(self, path, **params):
        return self._send("GET", path, params=params)

    def post(self, path, fields, **more):
        return self._send("POST", path, data=fields, **more)

    def submit(self, page, action, **fields):
        """The page's form for that path, with these fields filled in."""
        form = page.form(action)
        return self.post(action, {**form["fields"], **fields})

    @property
    def session_token(self):
        found = [value for name, value in self.cookies.items() if value.startswith("css_")]
        return found[0] if found else None


def browser_at(server):
    """One that says the origin that the server has for browsers, wherever it listens."""
    return Browser(server.url, getattr(server, "origin", None))
