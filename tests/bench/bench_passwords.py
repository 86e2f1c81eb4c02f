# SPDX-License-Identifier: Apache-2.0
"""Log-ins by password beside other requests: how many there are, and what the others feel of it."""
import contextlib
import sys
import threading
import time
import urllib.parse

PASSWORD = "correct horse battery staple"
LOGGING_IN = 4
CONNECTIONS = 8


def microseconds(text):
    """wrk's "850.00us", "1.20ms", "1.10s"."""
    for unit, factor in (("us", 1), ("ms", 1e3), ("s", 1e6)):
        if text.endswith(unit):
            return float(text[:-len(unit)]) * factor
    raise ValueError(text)


class Account:
    """A person with a password, and a browser that the account knows."""

    def __init__(self, forms, tenant):
        self.forms, self.tenant = forms, tenant
        person = tenant.person("user", "approver")
        made = tenant.admin.api.ok("POST", f"{tenant.path}/accounts", {"principal": person.id, "login": person.name})
        self.login = person.name
        self.browser = forms.Browser(tenant.server.url)
        link = urllib.parse.urlsplit(made["link"])
        page = self.browser.get(link.path, **dict(urllib.parse.parse_qsl(link.query)))
        assert self.browser.submit(page, "/login/link", password=PASSWORD).status == 303
        page = self.browser.get("/login/local", tenant=tenant.id)
        self.fields = {**page.form("/login/local")["fields"], "login": self.login, "password": PASSWORD}
        self.log_in()

    def log_in(self):
        for name in [name for name, value in self.browser.cookies.items() if value.startswith("css_")]:
            del self.browser.cookies[name]
        status = self.browser.post("/login/local", self.fields).status
        if status != 303:
            sys.exit(f"a log-in was answered {status}")


@contextlib.contextmanager
def logging_in(accounts, counts):
    """All of them log in, again and again, until the end."""
    stop = threading.Event()

    def loop(account):
        while not stop.is_set():
            account.log_in()
            counts.append(time.monotonic())

    threads = [threading.Thread(target=loop, args=(account,)) for account in accounts]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def bench(world, options, folder, report, run_lines):
    import forms  # of the scenarios; world has put them on the path

    place = world.Place(folder / "passwords")
    authorization = f"Bearer {place.agent.api.key}"

    def others():
        return world.wrk(place.server.port, "/v1/whoami", authorization, place.server.usage, CONNECTIONS,
                         options.seconds)

    alone, beside, rates = [], [], []
    try:
        accounts = [Account(forms, place.tenant) for _ in range(LOGGING_IN)]
        hash_rate = run_lines(report, "identity", [options.build / "tests/bench/identity/argon2_bench", "--seconds",
                                                   str(options.seconds)])["argon2id"]["per_second"]
        others()
        for _ in range(max(3, options.rounds)):
            alone.append(microseconds(others()["p99"]))
            counts = []
            begun = time.monotonic()
            with logging_in(accounts, counts):
                beside.append(microseconds(others()["p99"]))
                spent = time.monotonic() - begun
            rates.append(sum(1 for at in counts if at <= begun + spent) / spent)
        # And with nothing beside: then Argon2 alone is what bounds them.
        counts = []
        begun = time.monotonic()
        with logging_in(accounts, counts):
            time.sleep(options.seconds)
        free = sum(1 for at in counts if at <= begun + options.seconds) / options.seconds
    finally:
        place.close()
    report.raw("passwords", {"alone_p99_us": alone, "beside_p99_us": beside, "logins_per_second": rates})
    moved = world.median(beside) / world.median(alone) - 1
    report.row("password log-ins a second, over what Argon2id alone does on one thread",
               f"{free:.1f} over {hash_rate:.1f}: {free / hash_rate:.2f}", "≥ 0.85", free / hash_rate >= 0.85)
    report.row("… and how far they move other requests' p99",
               f"{world.median(alone):.0f} to {world.median(beside):.0f} µs, {100 * moved:+.1f} %", "< 10 %", moved < 0.1)
    report.note("… log-ins a second meanwhile", f"{world.median(rates):.1f}")
