"""`python -m tools.pictures [FOLDER]`: pictures of the dashboard and of a report, wide and narrow, light and dark.

Makes some runs on this machine (a minute), looks at them with headless Chromium, and writes those of the documents to
docs/pictures, or all to FOLDER.
"""

from __future__ import annotations

import html
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lammps_jobs
from lammps_jobs import Checkpoints, Cluster, LammpsJobsError
from lammps_jobs.dashboard.server import Dashboard

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
SCRIPT = ROOT / "examples" / "melt" / "in.melt"
WIDE, NARROW = (1280, 900), (390, 844)
THEMES = {"light": 1, "dark": 0}
"""By Chromium's numbers of `prefers-color-scheme`."""
KEPT = (
    ("runs", "wide", "light"), ("run", "wide", "dark"), ("runs", "narrow", "dark"), ("run", "narrow", "light"),
    ("sweep", "wide", "light"), ("report", "narrow", "dark"), ("report", "wide", "light"),
)  # fmt: skip
"""Pictures of the documents; with a FOLDER all are made."""
MOST_BYTES = 200_000
WAIT_S = 120.0


@contextmanager
def demo(folder: Path) -> Iterator[Cluster]:
    """A store with runs that finished, were interrupted and resumed, failed and go on, and with a sweep."""
    cluster = lammps_jobs.connect(store=folder / "store")
    (folder / "in.typo").write_text(SCRIPT.read_text().replace("thermo_style    custom", "thermoo_style   custom"))
    cluster.submit(folder / "in.typo", name="typo").wait(check=False)
    cluster.sweep(SCRIPT, {"T": "0.7:1.3:0.3"}, variables={"N": 1500}, name="temperatures").wait(check=False)
    often = Checkpoints(every_s=1.0)
    resumed = cluster.submit(SCRIPT, name="melt", variables={"N": 6000}, checkpoints=often)
    _until(lambda: bool(resumed.status.checkpoint), "a checkpoint")
    resumed.kill()
    resumed.wait(check=False)
    resumed.resume()
    resumed.wait(check=False)
    going = cluster.submit(SCRIPT, name="production", variables={"N": 400_000}, checkpoints=often)
    _until(lambda: (going.status.checkpoint_step or 0) > 1500, "some steps")
    try:
        yield cluster
    finally:
        going.cancel(now=True)
        going.settle()


def _until(true: object, what: str) -> None:
    end = time.monotonic() + WAIT_S
    assert callable(true)
    while not true():
        if time.monotonic() > end:
            raise LammpsJobsError(f"Waited {WAIT_S:g} s for {what}.")
        time.sleep(0.2)


def browser() -> str:
    """Chromium. Raises NotInstalled."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    raise lammps_jobs.NotInstalled("Chromium is not here.", remedy="apt-get install chromium")


def picture(page: str, to: Path, size: tuple[int, int], theme: str) -> None:
    """A picture of the top of a page. In a frame of that width: Chromium has no window as narrow as a phone."""
    width, height = size
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # Chromium may tidy its profile up late
        frame = Path(folder) / "frame.html"
        inner = html.escape(page, quote=True)
        around = ("<meta name=color-scheme content='light dark'>"
                  "<style>html{background:light-dark(#fff,#14181f)}body{margin:0}")  # fmt: skip
        frame.write_text(
            f"{around}</style><iframe width={width} height={height + 40} style='border:0' srcdoc='{inner}'>"
        )
        subprocess.run(
            [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--user-data-dir={folder}/profile",
             f"--blink-settings=preferredColorScheme={THEMES[theme]}", f"--window-size={max(width, 500)},{height}",
             f"--screenshot={folder}/shot.png", frame.as_uri()],
            check=True, capture_output=True, timeout=WAIT_S,
        )  # fmt: skip
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(folder) / "shot.png", to)


def fetched(dashboard: Dashboard, path: str) -> str:
    """A page as a browser with the key gets it."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    opener.open(dashboard.address, timeout=WAIT_S).close()
    with opener.open(f"http://127.0.0.1:{dashboard.port}{path}", timeout=WAIT_S) as answer:
        return str(answer.read().decode()).replace("<script", "<!-- ").replace("</script>", " -->")


def main() -> int:
    everything = len(sys.argv) > 1
    to = Path(sys.argv[1]) if everything else PICTURES
    with tempfile.TemporaryDirectory() as folder, demo(Path(folder)) as cluster, Dashboard(cluster, 0) as dashboard:
        pages = {"runs": "/", "run": "/run/production", "sweep": "/sweep/temperatures", "report": "/run/melt/report"}
        for name, path in pages.items():
            page = fetched(dashboard, path).replace(folder, "/home/me")
            for size, width in ((WIDE, "wide"), (NARROW, "narrow")):
                for theme in THEMES:
                    if not everything and (name, width, theme) not in KEPT:
                        continue
                    file = to / f"{name}-{width}-{theme}.png"
                    picture(page, file, size, theme)
                    print(f"{file}: {file.stat().st_size:,} bytes", flush=True)
                    assert file.stat().st_size < MOST_BYTES, file
    return 0


if __name__ == "__main__":
    sys.exit(main())
