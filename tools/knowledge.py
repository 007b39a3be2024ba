"""docs/fixes.md and docs/commands.md: what is known of LAMMPS, from the tables in lammps_jobs/script.

`python -m tools.knowledge` writes both; `--check` says which of them is not current, with exit code 1.
"""

from __future__ import annotations

import ast
import enum
import inspect
import itertools
import sys
from pathlib import Path

from lammps_jobs.script import commands, fidelity, fixes, styles

DOCS = Path(__file__).parents[1] / "docs"
MANUAL = "https://docs.lammps.org"

FIXES_HEAD = f"""# What is known of fixes

The [grade](grades.md) of a resume with each fix, in a script where it can be cut at all. A fix without a row is
graded statistical: {fidelity.UNTESTED.why}. Some keywords make a fix worse than its row:

- `ave running` and `ave window` are statistical: {fidelity.RUNNING.why};
- `langevin` is statistical, as fix langevin;
- `store/state` with computes, fixes or variables is statistical: {fidelity.STORING.why}.

Accelerated variants (`/kk`, `/gpu`, `/omp`, `/opt`, `/intel`) are as their plain styles.

Made by `python -m tools.knowledge` from `lammps_jobs/script/fixes.py`."""

COMMANDS_HEAD = """# What is known of commands

What becomes of each command of a script when its run is resumed. A command without a row is issued again, and the
resume is graded statistical.

Made by `python -m tools.knowledge` from `lammps_jobs/script/commands.py` and `lammps_jobs/script/styles.py`."""


def fixes_page() -> str:
    """The page about fixes."""
    rows = [
        f"| `{fix.name}` | {fix.grade} | {_traits(fix.traits)} | {_source(fix.source)} |" for fix in fixes.FIXES
    ]  # fmt: skip
    table = ["| Fix | Grade | Traits | Source |", "|---|---|---|---|", *rows]
    return "\n\n".join([FIXES_HEAD, "## Traits", _meanings(fixes.Trait), "## Fixes", "\n".join(table)]) + "\n"


def commands_page() -> str:
    """The page about commands and special styles."""
    rows = [
        f"| `{row.name}` | {row.effect.value} | {_traits(row.traits)}{_columns(row)} | {_source(row.source)} |"
        for row in commands.ROWS
    ]
    special = [
        f"| {style.kind} | `{style.name}` | {_traits(style.traits)} | {_source(style.source)} |"
        for style in styles.STYLES
    ]
    return "\n\n".join([
        COMMANDS_HEAD,
        "## Effects", _meanings(commands.Effect),
        "## Traits", _meanings(commands.Trait),
        "## Commands", "\n".join(["| Command | Effect | Traits | Source |", "|---|---|---|---|", *rows]),
        "## Special styles",
        "Styles of pair, compute, dump, run_style and variable commands that have a trait.",
        _meanings(styles.Trait), "\n".join(["| Of | Style | Traits | Source |", "|---|---|---|---|", *special]),
    ]) + "\n"  # fmt: skip


PAGES = {"fixes.md": fixes_page, "commands.md": commands_page}


def _shown(member: enum.Enum) -> str:
    value = member.value if isinstance(member.value, str) else member.name
    return str(value).lower().replace("_", " ")


def _traits(traits: enum.Flag) -> str:
    return ", ".join(_shown(trait) for trait in type(traits) if trait in traits)


def _columns(row: commands.Command) -> str:
    """What else a row says, as words after the traits."""
    said = [
        f"reads word {row.reads}" if row.reads else "",
        f"writes word {row.writes}" if row.writes else "",
        f"clears {', '.join(f'`{name}`' for name in row.clears)}" if row.clears else "",
    ]
    text = "; ".join(part for part in said if part)
    return f"; {text}" if text and _traits(row.traits) else text


def _source(source: str) -> str:
    """The source with its page, which comes first, as a link into the manual."""
    at = next((at for at, char in enumerate(source) if char in ":;"), len(source))
    return f"[{source[:at]}]({MANUAL}/{source[:at]}.html){source[at:]}"


def _meanings(members: type[enum.Enum]) -> str:
    """A list of all members, with what the strings below them say."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(members)).body if isinstance(node, ast.ClassDef))
    lines = []
    for node, text in itertools.pairwise(body):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(text, ast.Expr):
            said = ast.literal_eval(text.value)
            if members[node.targets[0].id] in list(members):  # a flag without bits is nobody's trait
                lines.append(f"- **{_shown(members[node.targets[0].id])}**: {' '.join(said.split())}")
    return "\n".join(lines)


def main(args: list[str]) -> int:
    """Write the pages, or with `--check` compare them; the exit code."""
    stale = [name for name, page in PAGES.items() if not _is_current(DOCS / name, page())]
    if "--check" not in args:
        for name in stale:
            (DOCS / name).write_text(PAGES[name]())
        return 0
    for name in stale:
        print(f"docs/{name} is not current: python -m tools.knowledge", file=sys.stderr)
    return 1 if stale else 0


def _is_current(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
