"""The service of a stack's machines: it tells jobs of the machine's end, and keeps them from the metadata."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from emulator import ROOT
from emulator.servers import MetadataService, metadata, noticing
from infra.batch import METADATA
from tests.waiting import scaled, until

SERVICE = ROOT / "infra" / "notices.sh"
HINT = "no network of its own: apt-get install util-linux iproute2 iptables curl (as root)"
TOOLS = ("unshare", "ip", "iptables", "setpriv", "curl")
needs_a_network = pytest.mark.skipif(os.geteuid() != 0 or not all(map(shutil.which, TOOLS)), reason=HINT)


def test_it_writes_down_what_is_announced_once_it_is(tmp_path: Path):
    with metadata() as service, noticing(service, tmp_path / "notices"):
        until((tmp_path / "notices" / "watched").exists, "the service to have asked", lambda: service.asked)
        assert not (tmp_path / "notices" / "instance-action").exists()
        service.at_risk.set()
        until((tmp_path / "notices" / "rebalance").exists, "the recommendation", lambda: service.asked)
        assert not (tmp_path / "notices" / "instance-action").exists()
        service.notice.set()
        until((tmp_path / "notices" / "instance-action").exists, "the notice", lambda: service.asked)
        assert "terminate" in (tmp_path / "notices" / "instance-action").read_text()


def test_it_does_not_say_that_it_watches_where_nobody_answers_it(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        nobody.settimeout(scaled(30))
        with noticing(MetadataService(f"http://127.0.0.1:{nobody.getsockname()[1]}"), tmp_path):
            for _ in range(5):  # a round is a token and a question for each of two announcements
                nobody.accept()[0].close()
            assert not (tmp_path / "watched").exists()


JOB_AND_ROOT = """
ip link set lo up && ip addr add 169.254.169.254/32 dev lo
{python} - <<'SERVER' &
import http.server
class Role(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"credentials\\n")
http.server.HTTPServer(("169.254.169.254", 80), Role).serve_forever()
SERVER
server=$!
until curl -s {metadata} >/dev/null; do sleep 0.1; done
as_job() {{ setpriv --reuid 1000 --regid 1000 --clear-groups "$@"; }}
echo "before: $(as_job curl -s {metadata})"
bash {service} deny && bash {service} deny
echo "rules: $(iptables -S OUTPUT | grep -c REJECT)"
echo "after: $(as_job curl -s {metadata})"
echo "machine: $(curl -s {metadata})"
kill $server
"""


@needs_a_network
def test_jobs_do_not_get_at_the_metadata_of_their_machine_and_the_machine_does():
    """In a network of its own, as AWS Batch starts containers: in the machine's network, as user 1000."""
    script = JOB_AND_ROOT.format(python=sys.executable, metadata=METADATA, service=SERVICE)
    done = subprocess.run(["unshare", "--net", "bash", "-c", script], capture_output=True, text=True, check=False,
                          timeout=scaled(60))  # fmt: skip
    assert done.stdout.splitlines() == ["before: credentials", "rules: 1", "after: ", "machine: credentials"], (
        done.stderr
    )
