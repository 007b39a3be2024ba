"""The dashboard in a real browser, over a run that goes on: it shows it, follows it, and answers nobody else."""

from __future__ import annotations

import contextlib
import http.client
import re
import subprocess

import pytest

from lammps_jobs.dashboard.server import Dashboard
from tests.cli.test_report import BROWSER, needs_browser
from tests.conftest import script_of
from tests.waiting import scaled, wait_until

pytestmark = pytest.mark.engine


@pytest.fixture
def dashboard(cluster, script):
    run = cluster.submit(script(script_of("nve", 2_000_000)), name="going")
    wait_until(lambda: run.status.step > 100, run, "some steps")
    with Dashboard(cluster, 0) as made:
        yield made
    with contextlib.suppress(Exception):
        run.kill()


@pytest.fixture
def empty(cluster):
    with Dashboard(cluster, 0) as made:
        yield made


def dom_of(address: str, tmp_path) -> str:
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
               "--virtual-time-budget=10000", "--dump-dom", address]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=scaled(120), check=True).stdout


@needs_browser
def test_browser_shows_the_run_and_looks_again_by_itself(dashboard, tmp_path):
    page = dom_of(dashboard.address.replace("/?key", "/run/going?key"), tmp_path)
    assert "<h1>going</h1>" in page
    assert page.count("<svg") >= 4
    assert "running" in page
    assert int(re.search(r'data-looks="(\d+)"', page)[1]) >= 1
    assert "not reached" not in page


def asked(dashboard, path="/", method="GET", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", dashboard.port, timeout=scaled(20))
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.getheader("Location", "") + answer.read().decode()


def test_nobody_without_the_key_and_no_other_site_sees_anything(empty):
    dashboard = empty
    cookie = f"lammps-jobs-{dashboard.port}={dashboard.key}"
    assert asked(dashboard)[0] == 403
    assert asked(dashboard, "/?key=wrong")[0] == 403
    assert asked(dashboard, f"//example.org/?key={dashboard.key}") == (303, "/example.org/")
    assert asked(dashboard, Cookie=cookie)[0] == 200
    assert asked(dashboard, Cookie=cookie, Host="rebound.example")[0] == 403
    assert asked(dashboard, Cookie=cookie, Origin="https://example.org")[0] == 403
    assert asked(dashboard, method="POST", Cookie=cookie)[0] == 405
