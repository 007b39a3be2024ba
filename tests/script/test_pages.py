"""docs/fixes.md and docs/commands.md say what the tables say."""

from __future__ import annotations

import pytest

from lammps_jobs.script import commands, fixes, styles
from tools import knowledge


@pytest.mark.parametrize("name", knowledge.PAGES)
def test_page_is_current(name):
    assert (knowledge.DOCS / name).read_text() == knowledge.PAGES[name](), "run: python -m tools.knowledge"


def test_every_row_is_shown():
    assert knowledge.fixes_page().count("\n| `") == len(fixes.FIXES)
    assert knowledge.commands_page().count("\n| ") == len(commands.ROWS) + len(styles.STYLES) + 2


@pytest.mark.parametrize("flags", [fixes.Trait, commands.Trait, commands.Effect, styles.Trait])
def test_every_trait_and_effect_has_a_meaning(flags):
    assert knowledge._meanings(flags).count("- **") == len(flags)


def test_stale_page_is_named_and_then_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(knowledge, "DOCS", tmp_path)
    (tmp_path / "fixes.md").write_text(knowledge.fixes_page())
    (tmp_path / "commands.md").write_text("old")
    assert knowledge.main(["--check"]) == 1
    assert "docs/commands.md" in (said := capsys.readouterr().err)
    assert "fixes.md" not in said
    assert (tmp_path / "commands.md").read_text() == "old"
    assert knowledge.main([]) == 0
    assert knowledge.main(["--check"]) == 0
