"""The notebook of an example whose cells stand in a script, as jupytext's percent format has it; without any outputs.

Usage: python -m tools.notebook examples/everyday.py > examples/everyday.ipynb
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MARK = re.compile(r"^# %%(?P<kind> \[markdown\])?$", re.MULTILINE)
LINTERS = re.compile(r"  # noqa:.*")


def cells(text: str) -> Iterator[dict[str, Any]]:
    """The cells of a script, in their order; what stands before the first mark is none."""
    marks = list(MARK.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    for number, (mark, end) in enumerate(zip(marks, ends, strict=True)):
        body = text[mark.end() : end].strip("\n")
        same = {"id": f"cell-{number}", "metadata": {}}
        if mark["kind"]:
            yield {"cell_type": "markdown", **same, "source": _lines(re.sub("(?m)^# ?", "", body))}
        else:
            source = _lines(LINTERS.sub("", body))
            yield {"cell_type": "code", **same, "execution_count": None, "outputs": [], "source": source}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def notebook(script: Path) -> str:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = {
        "cells": list(cells(script.read_text())),
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(notebook(Path(sys.argv[1])))
