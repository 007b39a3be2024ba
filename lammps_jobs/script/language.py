"""LAMMPS's language: logical lines, words, quotes, `$` expressions, and the `if` and `run` commands.

The values of expressions and conditions are LAMMPS's own. The rules follow the manual's pages "Parsing rules for
input scripts", `if` and `run`, and are checked against LAMMPS itself (tests/script/test_flow.py).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_SPACES = (0xA0, *range(0x2000, 0x200C), 0x202F, 0x2060, 0x2063, 0xFEFF)
_ASCII = dict.fromkeys(_SPACES, b" ") | {
    0x2D6: b"+", 0x2064: b"+", 0x2D7: b"-", 0x2212: b"-", 0x2018: b"'", 0x2019: b"'", 0x201C: b'"', 0x201D: b'"',
}  # fmt: skip
_IN_ASCII = {chr(sign).encode(): plain for sign, plain in _ASCII.items()}
_SIGNS = re.compile(b"|".join(map(re.escape, _IN_ASCII)))
_FIRST_BYTES = re.compile(rb"[\xc0-\xf7]")


class ScriptFault(Exception):
    """The script cannot be followed: a file or a label is missing, a quote is not closed."""

    def __init__(self, what: str, line: int = 0) -> None:
        """`line`: the number of the script's line, 0 when whoever catches it knows."""
        super().__init__(what)
        self.line = line


def logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines after joining `&` continuations and triple quotes, each with its last line's number."""
    found: list[tuple[int, str]] = []
    pending, triples = "", 0
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    for number, raw in enumerate(lines, start=1):
        pending += raw
        triples += raw.count('"""')
        stripped = pending.rstrip()
        last = number == len(lines)
        if stripped.endswith("&") and not last:
            pending = stripped[:-1]
        elif triples % 2 and not last:
            pending = stripped + "\n"
        else:
            found.append((number, stripped))
            pending, triples = "", 0
    return found


def commands_of(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """The commands in a script's text as (line number, line, words), not substituted.

    Raises ScriptFault, with its line, for a quote that is not closed.
    """
    for number, line in logical_lines(text):
        try:
            found = words(in_ascii(without_comment(line)))
        except ScriptFault as fault:
            raise ScriptFault(str(fault), number) from None
        if found:
            yield number, line, found


def without_comment(line: str) -> str:
    """The line up to the first `#` outside quotes."""
    for start, stop, quoted in _parts(line):
        if not quoted:
            at = line.find("#", start, stop)
            if at >= 0:
                return line[:at]
    return line


def words(line: str) -> list[str]:
    """The words as LAMMPS's parser gives them to a command: quotes delimit and are taken off."""
    found: list[str] = []
    at, end = 0, len(line)
    while at < end:
        if line[at].isspace():
            at += 1
            continue
        mark = '"""' if line.startswith('"""', at) else line[at] if line[at] in "\"'" else ""
        if mark:
            close = _close(line, at, mark)
            found.append(line[at + len(mark) : close])
            at = close + len(mark)
        else:
            start = at
            while at < end and not line[at].isspace():
                at += 1
            found.append(line[start:at])
    return found


def substitute(line: str, expand: Callable[[str], str], tell: Callable[[str], None] | None = None) -> str:
    """Replace `$x`, `${x}` and `$(x)` outside quotes, from left to right.

    `expand` gives the value of one such expression; `tell` gets the line after each replacement,
    which is what LAMMPS echoes.
    """
    done, at = "", 0
    while at < len(line):
        char = line[at]
        if char in "\"'":
            mark = '"""' if line.startswith('"""', at) else char
            stop = _close(line, at, mark) + len(mark)
            done, at = done + line[at:stop], stop
        elif char == "$":
            stop = _expression_end(line, at)
            done, at = done + expand(line[at:stop]), stop
            if tell:
                tell(done + line[at:])
        else:
            done, at = done + char, at + 1
    return done


def quoted(word: str, *, always: bool = False) -> str:
    """The word as LAMMPS's parser gives it back: in quotes where it needs them, or `always`."""
    if not always and word and not any(c.isspace() or c in "\"'#$&" for c in word):
        return word
    mark = next(mark for mark in ('"', "'", '"""') if mark not in word)
    return f"{mark}{word}{mark}"


def in_ascii(text: str) -> str:
    """The text with typographic signs in ASCII, as LAMMPS takes it (source of utils::utf8_subst, 22Jul2025).

    Of any other sign it drops the first byte and keeps the rest; `lmp.command` encodes these so that LAMMPS gets them.
    """
    found = _SIGNS.sub(lambda sign: _IN_ASCII[sign[0]], text.encode(errors="surrogateescape"))
    return _FIRST_BYTES.sub(b"", found).decode("latin-1")


def pieces(text: str) -> list[str]:
    """The text cut at its `$` expressions, quotes or not: text and expression take turns, text is first and last."""
    found, start, at = [], 0, 0
    while (at := text.find("$", at)) >= 0:
        try:
            stop = _expression_end(text, at)
        except ScriptFault:
            break
        if text.startswith("$(", at) or variable_of(text[at:stop]):
            found += [text[start:at], text[at:stop]]
            start = stop
        at = stop
    return [*found, text[start:]]


def variable_of(expression: str) -> str:
    """The variable that `$x` or `${x}` names; empty for a formula `$(...)`."""
    name = expression[2:-1] if expression.startswith("${") else expression[1:]
    return name if re.fullmatch(r"\w+", name) else ""


def variables_in(text: str) -> list[str]:
    """The variables that the text names as `${x}`, also inside formulas."""
    found = []
    for expression in pieces(text)[1::2]:
        if expression.startswith("$("):
            found += variables_in(expression[2:-1])
        elif expression.startswith("${"):
            found.append(variable_of(expression))
    return found


def unquoted_variables(line: str) -> list[str]:
    """The variables that LAMMPS puts in as `$x` or `${x}` before it issues the line: those outside quotes."""
    found: list[str] = []

    def note(expression: str) -> str:
        found.extend(variables_in(expression) if expression.startswith("${") else [])
        return ""

    with contextlib.suppress(ScriptFault):  # LAMMPS will say what is wrong
        substitute(in_ascii(without_comment(line)), note)
    return [name for name in found if name]


def plain_style(style: str) -> str:
    """A style without its accelerator suffix."""
    for suffix in ("/kk/host", "/kk/device", "/kk", "/gpu", "/omp", "/opt", "/intel"):
        if style.endswith(suffix):
            return style.removesuffix(suffix)
    return style


def _expression_end(line: str, at: int) -> int:
    opening = line[at + 1 : at + 2]
    if opening == "{":
        stop = line.find("}", at)
        if stop < 0:
            raise ScriptFault("Invalid variable name")
        return stop + 1
    if opening == "(":
        depth = 0
        for stop in range(at + 1, len(line)):
            depth += {"(": 1, ")": -1}.get(line[stop], 0)
            if depth == 0:
                return stop + 1
        raise ScriptFault("Invalid immediate variable")
    return at + 2


def _close(line: str, at: int, mark: str) -> int:
    close = line.find(mark, at + len(mark))
    if close < 0:
        kind = {"'": "single", '"': "double", '"""': "triple"}[mark]
        raise ScriptFault(f"Unmatched {kind} quote in command")
    return close


def _parts(line: str) -> list[tuple[int, int, bool]]:
    """The line cut into (start, stop, is quoted). An unclosed quote runs to the end."""
    parts, at, start = [], 0, 0
    while at < len(line):
        if line[at] in "\"'":
            mark = '"""' if line.startswith('"""', at) else line[at]
            close = line.find(mark, at + len(mark))
            stop = len(line) if close < 0 else close + len(mark)
            parts += [(start, at, False), (at, stop, True)]
            at = start = stop
        elif line[at] == "#":
            break
        else:
            at += 1
    parts.append((start, len(line), False))
    return parts


@dataclass(frozen=True)
class Branches:
    """An `if` command taken apart: conditions, and the commands of each branch (else: condition None)."""

    conditions: tuple[str | None, ...]
    commands: tuple[tuple[str, ...], ...]


def branches_of(args: list[str]) -> Branches:
    """Take the words after `if` apart; ScriptFault when they make no `if`."""
    if len(args) < 3 or args[1] != "then":
        raise ScriptFault('Illegal if command: expected "then"')
    conditions: list[str | None] = [args[0]]
    commands: list[list[str]] = [[]]
    at = 2
    while at < len(args):
        if args[at] == "elif" and at + 1 < len(args):
            conditions.append(args[at + 1])
            commands.append([])
            at += 2
        elif args[at] == "else":
            conditions.append(None)
            commands.append([])
            at += 1
        else:
            commands[-1].append(args[at])
            at += 1
    if not all(commands):
        raise ScriptFault("Illegal if command: a branch has no commands")
    return Branches(tuple(conditions), tuple(tuple(c) for c in commands))


def commands_in_branches(args: list[str]) -> list[list[str]]:
    """The words of every command that the command `args` may issue as an `if`, also by another `if` in it."""
    if args[:1] != ["if"]:
        return []
    found = []
    try:
        for commands in branches_of(args[1:]).commands:
            for line in commands:
                inner = words(without_comment(line))
                found += [inner, *commands_in_branches(inner)]
    except ScriptFault:
        pass  # LAMMPS will say what is wrong, if it comes there
    return [inner for inner in found if inner]


UNSEEN = "\x01"
"""Before a line of our own, which LAMMPS would not echo."""


def goes_on_without_set_up(text: str) -> bool:
    """Whether the line is a `run` with the keyword pre, which may say no (page `run`)."""
    args = words(without_comment(text))
    return args[:1] == ["run"] and "pre" in args[2:]


@dataclass
class RunCommand:
    """A `run` command with its numbers: steps are absolute timesteps."""

    first: int
    last: int
    start: int
    stop: int
    pre: bool = True
    post: bool = True
    every: int = 0
    commands: tuple[str, ...] = ()
    """What `every` gives between two parts of the run."""
    span: str = ""
    """Its keywords start and stop, as they were given."""

    @classmethod
    def parse(cls, args: list[str], step: int) -> RunCommand:
        """Read the words after `run`, given the present timestep. ValueError when LAMMPS must judge it."""
        options: dict[str, str] = {}
        upto, every, at = False, 0, 1
        commands: tuple[str, ...] = ()
        while at < len(args):
            if args[at] == "upto":
                upto, at = True, at + 1
            elif args[at] == "every":
                every, commands, at = int(args[at + 1]), tuple(args[at + 2 :]), len(args)
            elif args[at] in ("start", "stop", "pre", "post") and at + 1 < len(args):
                options[args[at]] = args[at + 1]
                at += 2
            else:
                raise ValueError(args[at])
        count = float(args[0])
        last = int(count) if upto else step + int(count)
        yes = ("yes", "on", "true")
        return cls(
            first=step,
            last=last,
            start=int(options.get("start", step)),
            stop=int(options.get("stop", last)),
            pre=options.get("pre", "yes") in yes,
            post=options.get("post", "yes") in yes,
            every=every,
            commands=() if commands == ("NULL",) else commands,
            span="".join(f" {name} {options[name]}" for name in ("start", "stop") if name in options),
        )

    def parts(self) -> list[str]:
        """The commands that a run with `every` stands for (page `run`): its parts, and between them what it gives.

        A part is set up again unless `pre no`; its statistics are printed in full with `post yes`, or for the last.
        """
        lines: list[str] = []
        left = self.last - self.first
        while left > 0 or not lines:
            steps = min(left, self.every)
            pre = " pre no" if not self.pre and lines else ""
            post = " post no" if not self.post and left > steps else ""
            lines += [f"{UNSEEN}run {steps}{self.span}{pre}{post}", *self.commands]
            left -= steps
        return lines

    def rest(self, *, steps: int, set_up: bool, quiet: bool = False) -> str:
        """The command that goes on for `steps`, with ramps over the original span."""
        post = " post no" if quiet or not self.post else ""
        pre = "" if set_up else " pre no"
        return f"run {steps} start {self.start} stop {self.stop}{pre}{post}"
