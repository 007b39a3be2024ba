"""Who is believed about a machine's end: the folder that its service keeps, or the metadata."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lammps_jobs.supervisor.interruption import BELIEVED_S, NoticeFolder

NOTICE = "spot/instance-action"


class Says:
    """Metadata that announce everything, or nothing, and count the questions."""

    def __init__(self, answer: bool) -> None:
        self.answer, self.questions = answer, 0

    def announced(self, what: str) -> bool:
        self.questions += 1
        return self.answer


def kept(folder: Path, age_s: float) -> None:
    (folder / "watched").touch()
    os.utime(folder / "watched", (time.time() - age_s,) * 2)


def test_a_folder_that_is_kept_is_believed_and_nobody_else_is_asked(tmp_path: Path):
    asked = Says(True)
    kept(tmp_path, 1)
    assert not NoticeFolder(tmp_path, asked).announced(NOTICE)
    assert asked.questions == 0


@pytest.mark.parametrize("age_s", [None, BELIEVED_S + 1])
def test_where_nobody_keeps_the_folder_the_metadata_are_asked(tmp_path: Path, age_s):
    """A machine of a stack as it was before, whose jobs are of the stack as it is; or its service has died."""
    if age_s:
        kept(tmp_path, age_s)
    assert NoticeFolder(tmp_path, Says(True)).announced(NOTICE)
    assert not NoticeFolder(tmp_path, Says(False)).announced(NOTICE)
    assert not NoticeFolder(tmp_path / "missing").announced(NOTICE)


def test_a_notice_counts_however_old_the_folder_is(tmp_path: Path):
    (tmp_path / "instance-action").touch()
    assert NoticeFolder(tmp_path).announced(NOTICE)
    assert not NoticeFolder(tmp_path).announced("events/recommendations/rebalance")
