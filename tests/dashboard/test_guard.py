"""Who may look at the dashboard: a browser with the key that asks for this very address, and nobody else."""

from __future__ import annotations

import pytest

from lammps_jobs.dashboard import guard

HOST = {"Host": "127.0.0.1:8765"}


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", HOST, 0),
        ("GET", {"Host": "localhost:8765"}, 0),
        ("GET", HOST | {"Origin": "http://127.0.0.1:8765", "Sec-Fetch-Site": "same-origin"}, 0),
        ("GET", HOST | {"Sec-Fetch-Site": "none"}, 0),
        ("GET", {}, 403),
        ("GET", {"Host": "rebound.example:8765"}, 403),
        ("GET", {"Host": "127.0.0.1:9999"}, 403),
        ("GET", {"Host": "127.0.0.1:8765.example"}, 403),
        ("GET", HOST | {"Origin": "https://example.org"}, 403),
        ("GET", HOST | {"Origin": "null"}, 403),
        ("GET", HOST | {"Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", HOST | {"Sec-Fetch-Site": "same-site"}, 403),
        ("POST", HOST, 405),
        ("OPTIONS", HOST, 405),
    ],
)
def test_foreign_hosts_origins_and_methods_are_refused(method, headers, status):
    assert guard.refused(method, headers, 8765)[0] == status


def test_the_key_is_in_the_cookie_of_this_port():
    assert guard.has_key({"Cookie": "other=1; lammps-jobs-8765=secret"}, 8765, "secret")
    for cookies in ("", "lammps-jobs-8765=Secret", "lammps-jobs-8766=secret", "lammps-jobs-8765=", "=;;\x00"):
        assert not guard.has_key({"Cookie": cookies}, 8765, "secret")
    assert "HttpOnly; SameSite=Strict" in guard.cookie(8765, "secret")
