# SPDX-License-Identifier: Apache-2.0
"""Debian's glewlwyd, an OpenID Connect provider, as a private process on loopback.

Its package asks questions and starts a service when it is installed. So it is taken apart into the build
folder instead, with the libraries that this system lacks; it runs there without being installed.
"""
import gzip
import os
import pathlib
import re
import shutil
import socket
import sqlite3
import subprocess
import tempfile

import harness
import requests
import urllib3
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

PLACE = harness.ROOT / "build" / "glewlwyd"
# What the service does not need: its database servers and the questions about them.
NOT_NEEDED = re.compile(r"^(mysql|mariadb|default-mysql|dbconfig|libconfig-inifiles|fonts-)")
ADMIN_PASSWORD = "password"  # of the administrator that its own SQL makes


class Unavailable(Exception):
    """It cannot be had here."""


# A network that answers nothing is found out soon.
APT = ("-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=15", "-o", "Acquire::https::Timeout=15")


def _run(*command, cwd=None):
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired as slow:
        raise Unavailable(f"{command[0]} took longer than two minutes") from slow
    if done.returncode != 0:
        raise Unavailable(f"{command[0]} failed: " + (done.stderr.strip().splitlines() or ["?"])[-1][:200])
    return done.stdout


def unpack():
    """The root folder of what Debian's packages hold; downloads them at the first use. Needs no privilege."""
    root = PLACE / "root"
    if root.exists():
        return root
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise Unavailable("glewlwyd is taken from Debian's packages, and this is no Debian")
    planned = _run("apt-get", "install", "--simulate", "--no-install-recommends", "glewlwyd")
    packages = [line.split()[1] for line in planned.splitlines() if line.startswith("Inst ")]
    packages = {name for name in packages if not NOT_NEEDED.match(name)} | {"glewlwyd", "glewlwyd-common",
                                                                           "libjs-jquery"}
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE) as making:
        _run("apt-get", *APT, "download", *sorted(packages), "libmariadb3", cwd=making)
        for package in pathlib.Path(making).glob("*.deb"):
            _run("dpkg", "-x", package, f"{making}/root")
        try:
            os.rename(f"{making}/root", root)
        except OSError:
            if not root.exists():  # another run was quicker
                raise
    return root


class Glewlwyd:
    """A provider with one administrator, until more is added through its own API."""

    def __init__(self, folder):
        self.root = unpack()
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.api = f"{self.url}/api"
        self.issuer = f"{self.api}/oidc"
        self.session = requests.Session()
        self.session.trust_env = False
        # It says that it has started a little before it listens.
        self.session.mount("http://", requests.adapters.HTTPAdapter(
            max_retries=urllib3.Retry(connect=10, read=0, backoff_factor=0.05)))
        self._make_database()
        self._make_web_folder()
        self._write_configuration()
        libraries = next(self.root.glob("usr/lib/*-linux-gnu"))
        self.process = harness.Process(["-c", self.folder / "glewlwyd.conf"], program=self.root / "usr/bin/glewlwyd",
                                       env={"LD_LIBRARY_PATH": f"{libraries}:{os.environ.get('LD_LIBRARY_PATH', '')}"})
        try:
            self.process.wait_for(r"Glewlwyd started on port")
            self.log_in()
        except BaseException:
            self.process.kill()
            raise

    def _make_database(self):
        script = self.root / "usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz"
        with sqlite3.connect(self.folder / "glewlwyd.db") as database:
            database.executescript(gzip.decompress(script.read_bytes()).decode())

    def _make_web_folder(self):
        """Its pages, whose links point to where the packages would have been installed."""
        share = self.root / "usr/share"
        shutil.copytree(share / "glewlwyd/webapp", self.folder / "web", symlinks=True)
        for link in (self.folder / "web").rglob("*"):
            if link.is_symlink():
                goal = os.path.normpath(share / "glewlwyd/webapp" / link.relative_to(self.folder / "web").parent
                                        / os.readlink(link))
                link.unlink()
                if os.path.isfile(goal):
                    shutil.copy(goal, link)
        shutil.copy(share / "glewlwyd/templates/config.json", self.folder / "web/config.json")

    def _write_configuration(self):
        modules = self.root / "usr/lib/glewlwyd"
        kinds = {"user": "user", "user_middleware": "user_middleware", "client": "client",
                 "user_auth_scheme": "scheme", "plugin": "plugin"}
        (self.folder / "glewlwyd.conf").write_text("\n".join([
            f"port={self.port}", 'bind_address="127.0.0.1"', f'external_url="{self.url}"', 'login_url="login.html"',
            'api_prefix="api"', f'static_files_path="{self.folder / "web"}/"', 'log_mode="console"',
            'log_level="INFO"', 'cookie_domain="127.0.0.1"', 'cookie_secure=0', 'hash_algorithm="SHA512"',
            *(f'{name}_module_path="{modules / folder}"' for name, folder in kinds.items()),
            f'database = {{ type = "sqlite3" path = "{self.folder / "glewlwyd.db"}" }}',
            "static_files_mime_types = (" + ", ".join(
                f'{{ extension = ".{end}" mime_type = "{kind}" compress = 0 }}' for end, kind in
                {"html": "text/html", "css": "text/css", "js": "application/javascript", "json": "application/json",
                 "png": "image/png", "ico": "image/x-icon"}.items()) + ")", ""]))

    def call(self, method, path, body=None):
        reply = self.session.request(method, self.api + path, json=body, timeout=harness.PATIENCE_S)
        assert reply.ok, f"{method} {path}: {reply.status_code} {reply.text}\n{self.process.text[-2000:]}"
        return reply.json() if reply.text.startswith(("{", "[")) else None

    def log_in(self):
        self.call("POST", "/auth/", {"username": "admin", "password": ADMIN_PASSWORD})

    def add_issuer(self, key):
        """An issuer with this key, which puts name and groups into ID tokens."""
        self._parameters = {
            "iss": self.issuer, **_signing(key), "jwks-show": True,
            "access-token-duration": 600, "refresh-token-duration": 3600, "code-duration": 60,
            "auth-type-code-enabled": True, "auth-type-code-revoke-replayed": True, "pkce-allowed": True,
            "pkce-required": True, "oauth-as-iss-id": True,
            "allowed-scope": ["openid", "profile", "email"],
            "name-claim": "mandatory", "email-claim": "mandatory",
            "claims": [{"name": "groups", "user-property": "groups", "mandatory": True}],
            "session-management-allowed": True, "session-cookie-name": "GLEWLWYD2_OIDC_SID",
            "session-cookie-expiration": 3600, "back-channel-logout-allowed": True}
        self.call("POST", "/mod/plugin/", {"module": "oidc", "name": "oidc", "display_name": "oidc",
                                           "order_rank": 0, "parameters": self._parameters})
        users = self.call("GET", "/mod/user/database")
        kept = users["parameters"]["data-format"]
        kept["groups"] = {"multiple": True, "read": True, "write": True, "profile-read": True, "profile-write": False}
        self.call("PUT", "/mod/user/database", users)
        self.call("PUT", "/mod/user/database/reset")
        for name in ("profile", "email"):
            self.call("POST", "/scope/", {"name": name, "display_name": name, "password_required": False})

    def change_key(self, key):
        self._parameters.update(_signing(key))
        self.call("PUT", "/mod/plugin/oidc", {"module": "oidc", "name": "oidc", "display_name": "oidc",
                                              "order_rank": 0, "parameters": self._parameters})
        self.call("PUT", "/mod/plugin/oidc/reset")

    def add_client(self, realm, secret):
        self.call("POST", "/client/", {
            "client_id": "countersign", "name": "countersign", "confidential": True, "client_secret": secret,
            "redirect_uri": [realm["redirect_uri"]], "authorization_type": ["code"],
            "token_endpoint_auth_method": ["client_secret_basic"], "scope": ["openid", "profile", "email"],
            "post_logout_redirect_uri": realm["redirect_uri"].split("/login/")[0] + "/login",
            "backchannel_logout_uri": realm["backchannel_logout_uri"], "backchannel_logout_session_required": "1"})

    def add_user(self, name, password, groups):
        self.call("POST", "/user/", {"username": name, "name": f"{name} of glewlwyd", "password": password,
                                     "email": f"{name}@example.com", "groups": groups,
                                     "scope": ["openid", "profile", "email", "g_profile"]})

    def stop(self):
        return self.process.stop()


def _signing(key):
    """The plugin's parameters for a key."""
    kind = {rsa.RSAPrivateKey: "rsa", ec.EllipticCurvePrivateKey: "ecdsa"}
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {"jwt-type": next(name for base, name in kind.items() if isinstance(key, base)), "jwt-key-size": "256",
            "key": private.decode(), "cert": public.decode()}
