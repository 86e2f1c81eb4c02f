# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the scenarios."""
import os
import sys

import pytest

import accidents
import engine
import harness
import postgres


# What the sanitizers say, once the run begins.
REPORTS = []


def pytest_configure(config):
    REPORTS.append(accidents.Reports(getattr(config, "workerinput", {}).get("workerid")))
    config.addinivalue_line("markers", "threads: many things at once; also run under ThreadSanitizer")
    config.addinivalue_line("markers", "crash: something is killed")
    config.addinivalue_line("markers", "fault: something underneath fails")
    config.addinivalue_line("markers", "files: about the files of the embedded store")
    config.addinivalue_line("markers", "both_stores: opens one of each itself, so that one run is enough")
    config.addinivalue_line("markers", "docker: needs a Docker Engine")


# Files that take long begin first: the workers take them in order, and one that begins last is waited for.
LONG = ["move", "rotation_nodes", "failover", "nodes", "crashes", "accounts", "engine", "web_account", "glewlwyd", "disk"]


def pytest_collection_modifyitems(items):
    order = {f"test_{name}.py": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.name, len(LONG)))
    if harness.on_postgres():
        for item in items:
            if item.get_closest_marker("files"):
                item.add_marker(pytest.mark.skip(reason="it is about the embedded store's files"))
            if item.get_closest_marker("both_stores"):
                item.add_marker(pytest.mark.skip(reason="it opens both stores itself: the run on the embedded store has it"))


# The server that most scenarios share, once it runs.
SHARED = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """A story has failed in which a sanitizer found something or the shared server ended; its message says why."""
    report = (yield).get_result()
    found = REPORTS[0].take()
    found += accidents.last_words([shared.process for shared in SHARED], report.failed)
    if report.failed:
        found += accidents.last_words([process for process in harness.Process.every
                                       if process.process.poll() in accidents.BROKEN], True)
    accidents.attach(report, found)


def pytest_runtest_setup():
    """One story's accident is not the next one's: what the shared server keeps outlives it."""
    for shared in SHARED:
        if shared.process.process.poll() is not None:
            shared.start()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """What came after the last story, and after the workers' last ones."""
    if hasattr(session.config, "workerinput"):
        return
    found = REPORTS[0].take()
    if found:
        session.exitstatus = 1
        sys.__stderr__.write("\n\n".join(found))


def pytest_unconfigure(config):
    reports = REPORTS.pop()
    if not hasattr(config, "workerinput"):
        reports.remove()


@pytest.fixture
def make_server(tmp_path):
    """Makes servers of their own, for tests that stop, kill or break them."""
    made = []

    def make(name="server", env=None, options=(), **more):
        folder = tmp_path / name
        folder.mkdir()
        server = harness.Server(folder, env, options, **more)
        made.append(server)
        return server

    yield make
    for server in made:
        if server.process and server.process.process.poll() is None:
            # Only at an end of its own does AddressSanitizer look for leaks.
            (server.stop if server.process.is_under_asan else server.kill)()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The server that most scenarios share, each with tenants of its own."""
    shared = harness.Server(tmp_path_factory.mktemp("server")).start()
    SHARED.append(shared)
    yield shared
    SHARED.clear()
    assert shared.stop() == 0, shared.process.text


@pytest.fixture(scope="session")
def platform(server):
    """The platform's administrator."""
    return server.api(server.bootstrap_key)


def new_tenant(server, api=None):
    created = (api or server.api(server.bootstrap_key)).ok("POST", "/v1/tenants", {"name": harness.unique("tenant")})
    return harness.Tenant(server, created)


@pytest.fixture
def tenant(server):
    return new_tenant(server)


@pytest.fixture
def other_tenant(server):
    return new_tenant(server)


@pytest.fixture
def staffed(tenant):
    """A tenant with an agent, two approvers on the roster, and an executor played by hand for `test`."""
    tenant.bot = tenant.agent("deploy-bot")
    tenant.anna = tenant.approver("anna")
    tenant.ben = tenant.approver("ben")
    tenant.put_roster(tenant.anna, tenant.ben)
    tenant.executor = harness.HandExecutor(tenant).answer_resolutions()
    yield tenant
    tenant.executor.close()


@pytest.fixture(scope="session")
def private_postgres():
    """The PostgreSQL of this run, or one of its own, or a skip where none is installed."""
    if "COUNTERSIGN_TEST_POSTGRES" in os.environ:
        yield postgres.Place(os.environ["COUNTERSIGN_TEST_POSTGRES"])
        return
    if postgres.programs() is None:
        pytest.skip("no PostgreSQL is installed (postgresql-15)")
    own = postgres.Postgres()
    yield own
    own.remove()


@pytest.fixture(scope="session")
def docker():
    """A real Docker Engine with the image countersign-test:1, or a skip that says why there is none."""
    try:
        real = engine.start()
        real.make_image("countersign-test:1")
    except engine.Unavailable as why:
        pytest.skip(f"no Docker Engine: {why}")
    yield real
    real.stop()


@pytest.fixture
def real_executor(staffed, tmp_path, docker):
    """A tenant whose `test` environment is served by the real executor on the real engine; it keeps output."""
    staffed.keep_content()
    staffed.executor.close()
    staffed.admin.api.ok("DELETE", f"{staffed.place}/executors/{staffed.executor.id}")
    staffed.real = harness.RealExecutor(staffed, tmp_path / "executor", docker.socket).start()
    staffed.docker = docker
    yield staffed
    staffed.real.stop()
