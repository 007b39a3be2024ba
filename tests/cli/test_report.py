"""The report in a real browser: it fits a desk and a phone, and shows what happened."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lammps_jobs import CutPlan, connect
from lammps_jobs.report.page import write
from tests.conftest import script_of
from tests.waiting import finish, scaled

pytestmark = pytest.mark.engine

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(not BROWSER, reason="needs Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "in.test").write_text(script_of("langevin"))
    cluster, plan = connect(store=folder / "store"), CutPlan(cut_at=((1, 500),), then="stop")
    run = finish(cluster.submit(folder / "in.test", cut_plan=plan))
    run.settle()
    return write(run, folder / "report.html")


def test_report_stands_alone_and_says_how_the_resume_went(page):
    text = page.read_text()
    assert not re.search(r"(src|href)=[\"']?http", text)
    assert re.search('class="exact">exact</b>, as if', text)
    assert text.count("<svg") >= 4
    assert "Temp / ε/k" in text
    assert "time since the start / τ" in text
    assert "<h2>Averages" in text
    assert 'class="cut"' in text  # the timeline
    assert "<dd>256</dd>" in text  # atoms
    assert "frames.lammpstrj" in text


@needs_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_of_the_window(page, width, tmp_path):
    """The page in a frame of the given width, in Chromium: how wide is what it laid out?"""
    frame = tmp_path / "frame.html"
    frame.write_text(
        f"<iframe width={width} height=900 style='border:0' srcdoc='{html.escape(page.read_text(), quote=True)}'"
        " onload='document.title = [contentDocument.documentElement.scrollWidth,"
        ' contentDocument.querySelectorAll("svg").length,'
        ' Math.min(...[...contentDocument.querySelectorAll("svg")].map(e => e.getBoundingClientRect().width))]\'>'
    )
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
               "--window-size=1400,1000", "--dump-dom", frame.as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=scaled(120), check=True)
    laid_out, pictures, narrowest = map(float, re.search("<title>(.*)</title>", done.stdout)[1].split(","))
    assert laid_out <= width
    assert pictures >= 4
    assert narrowest > 0.4 * min(width, 600)
