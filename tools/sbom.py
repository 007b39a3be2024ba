"""Write what an image holds, as a CycloneDX document: `make sbom`.

Python packages come from the image's lock file, with the hashes of their files; Debian's from the package database of
the image itself, which podman builds (as root; layers that are there are not built again), or which Docker has.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from emulator import ROOT
from emulator.containers import HINT, IMAGE, Podman, can_run_containers

LOCKS = {"cpu": "image.lock", "gpu": "image-gpu.lock"}
FIELDS = ("Package", "Version", "Architecture", "source:Package", "source:Version")
QUERY = ("dpkg-query", "--show", "--showformat=" + "\\t".join(f"${{{field}}}" for field in FIELDS) + "\\n")
RELEASE = ("sh", "-c", '. /etc/os-release && echo "$VERSION_ID"')

Component = dict[str, Any]


def python_packages(lock: Path) -> dict[str, Any]:
    """The document that CycloneDX's own tool makes of a lock file."""
    tool = Path(sys.executable).parent / "cyclonedx-py"
    done = subprocess.run(
        [tool, "requirements", "--output-reproducible", lock], capture_output=True, text=True, check=True
    )
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def debian_packages(listing: str, release: str) -> list[Component]:
    """Components of a listing of `QUERY`, by name, with the source package that advisories speak of."""
    found = []
    for line in sorted(listing.splitlines()):
        name, number, architecture, source, of_source = line.split("\t")
        distribution = f"arch={architecture}&distro=debian-{release}"
        upstream = f"&upstream={quote(f'{source}@{of_source}', safe='')}" if source != name else ""
        purl = f"pkg:deb/debian/{quote(name, safe='')}@{quote(number, safe='')}?{distribution}{upstream}"
        found.append({"bom-ref": purl, "name": name, "purl": purl, "type": "library", "version": number})
    return found


def merged(document: dict[str, Any], image: str, debian: Sequence[Component]) -> dict[str, Any]:
    """The document with the image as its subject and Debian's packages behind Python's."""
    subject = {"bom-ref": "image", "name": image, "type": "container", "version": version("lammps-jobs")}
    return {**document, "metadata": {**document.get("metadata", {}), "component": subject},
            "components": [*document.get("components", []), *debian]}  # fmt: skip


def asked(command: Sequence[str], image: str, *words: str) -> str:
    """What a command says in a container of the image."""
    call = [*command, "run", "--rm", "--network=none", image, *words]
    return subprocess.run(call, capture_output=True, text=True, check=True, timeout=300).stdout


def engine_of(image: str, kind: str) -> list[str] | None:
    """The words that run containers; makes the image for CPUs where none is named. None where nothing can be run."""
    if image:
        return ["docker"]
    if kind != "cpu" or not can_run_containers():
        return None
    podman = Podman()
    podman.build()
    return podman.command


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("kind", choices=sorted(LOCKS))
    parser.add_argument("--image", default="", help="an image that Docker has, instead of building the one for CPUs")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(arguments)
    document, debian = python_packages(ROOT / "requirements" / LOCKS[args.kind]), list[Component]()
    engine, image = engine_of(args.image, args.kind), args.image or IMAGE
    if engine:
        debian = debian_packages(asked(engine, image, *QUERY), asked(engine, image, *RELEASE).strip())
    else:
        why = HINT if args.kind == "cpu" else "name an image that was built: --image"
        print(f"{args.out}: Debian's packages are left out; {why}", file=sys.stderr)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(merged(document, f"lammps-jobs-{args.kind}", debian), indent=1) + "\n")
    print(f"{args.out}: {len(document.get('components', []))} Python packages, {len(debian)} of Debian")
    return 0


if __name__ == "__main__":
    sys.exit(main())
