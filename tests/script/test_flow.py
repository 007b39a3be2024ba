"""The interpreter does what LAMMPS does: made-up scripts, followed by both, must print the same."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


class Worker:
    """The process in which scripts are followed; started anew when one of them takes it down."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._numbers = folder, itertools.count()
        self._process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.script.flow_worker"]
        root = Path(__file__).parents[2]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)

    def follow(self, files: dict[str, str]) -> tuple[list[str], list[str]]:
        """What bare LAMMPS and our engine print of the script `in.main` among `files`."""
        folder = self.folder / str(next(self._numbers))
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        self._process.stdin.write(json.dumps({"folder": str(folder), "script": "in.main"}) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("ANSWER "):
                answer = json.loads(line.removeprefix("ANSWER "))
                shutil.rmtree(folder)
                return answer["bare"], answer["ours"]
        self._process = self._start()
        raise AssertionError("the worker died of this script")

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(30)


@pytest.fixture(scope="module")
def worker(tmp_path_factory) -> Iterator[Worker]:
    made = Worker(tmp_path_factory.mktemp("flow"))
    yield made
    made.close()


class Writer:
    """Puts a made-up tree of statements into LAMMPS's language. Every name is used once."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self._numbers = itertools.count()

    def name(self, kind: str) -> str:
        return f"{kind}{next(self._numbers)}"

    def lines(self, block: list, loops: tuple[str, ...] = ()) -> list[str]:
        return [line for statement in block for line in getattr(self, statement[0])(*statement[1:], loops=loops)]

    def say(self, style: int, *, loops: tuple[str, ...]) -> list[str]:
        values = " ".join(f"${{{loop}}}" for loop in loops)
        sums = "+".join(("1", *(f"v_{loop}" for loop in loops)))
        name = self.name("s")
        return {
            0: [f'print "say {name} {values}"'],
            1: [f"print 'say {name} {values} # no comment'  # a comment with \"quotes'"],
            2: [f'print """say {name} "{values}" $({sums}) """'],
            3: ["print &", f'   "say {name} & {values}"'],
            4: [f"variable {name} equal {sums}", f'print "say $({sums}:%08.3f) ${{{name}}}"'],
            5: [f'variable {name} string "a b $({sums})"', f'print "say ${{{name}}}"'],
            6: [f'print """say {name}', f"say more {values}", 'say end"""'],
            7: [f"variable e{name} equal {sums}", f"variable {name} format e{name} %07.2f", f'print "say ${{{name}}}"'],
        }[style]

    def choice(self, limit: int, then: list, otherwise: list, nested: bool, *, loops: tuple[str, ...]) -> list[str]:
        left = f"${{{loops[-1]}}}" if loops else "2"
        commands = [f"\"print 'say {self.name('t')} {left}'\"" for _ in then] or ["\"print 'say t'\""]
        if nested:
            inner = f"print 'say {self.name('n')} {left}'"
            commands.append(f'"""if "{left} <= {limit} || {limit} == 1" then "{inner}" else "print \'say no\'" """')
        others = [f"\"print 'say {self.name('o')}'\"" for _ in otherwise]
        line = f'if "({left} < {limit}) && ({limit} != 3)" then {" ".join(commands)}'
        line += f' elif "{left} == {limit}" "print \'say equal {left}\'"'
        return [line + (f" else &\n   {' '.join(others)}" if others else "")]

    def loop(self, count: int, body: list, leave: int, *, loops: tuple[str, ...]) -> list[str]:
        name, label, out = self.name("i"), self.name("again"), self.name("out")
        style = f"loop {count}" if count % 2 else f"index {' '.join(str(7 - k) for k in range(count))}"
        leaving = [f'if "${{{name}}} == {leave}" then "print \'say leave\'" "jump SELF {out}" "print \'say still\'"']
        return [
            f"variable {name} {style}", f"label {label}", *self.lines(body, (*loops, name)), *leaving,
            f"next {name}", f"jump SELF {label}", f"label {out}", f"variable {name} delete",
        ]  # fmt: skip

    def include(self, body: list, *, loops: tuple[str, ...]) -> list[str]:
        name = self.name("inc.")
        self.files[name] = "\n".join(self.lines(body, loops)) + "\n"
        return [f"include {name}"]

    def together(self, count: int, *, loops: tuple[str, ...]) -> list[str]:
        """Two lists that `next` moves on at once, the shorter of which ends the loop."""
        a, b, label = self.name("a"), self.name("b"), self.name("both")
        return [
            f"variable {a} index x y z", f"variable {b} index {' '.join('pqrst'[:count])}", f"label {label}",
            f'print "say ${{{a}}} ${{{b}}}"', f"next {a} {b}", f"jump SELF {label}",
        ]  # fmt: skip


leaves = st.one_of(
    st.tuples(st.just("say"), st.integers(0, 7)),
    st.tuples(st.just("choice"), st.integers(1, 4), st.lists(st.none(), max_size=2), st.lists(st.none(), max_size=2),
              st.booleans()),
    st.tuples(st.just("together"), st.integers(1, 5)),
)  # fmt: skip


def trees(inner: st.SearchStrategy) -> st.SearchStrategy:
    block = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.tuples(st.just("loop"), st.integers(1, 4), block, st.integers(1, 9)), st.tuples(st.just("include"), block)
    )


scripts = st.lists(st.recursive(leaves, trees, max_leaves=8), min_size=1, max_size=4)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=scripts)
def test_made_up_scripts_do_the_same_under_both(worker, tree):
    writer = Writer()
    text = "\n".join(writer.lines(tree)) + "\n"
    bare, ours = worker.follow({"in.main": text, **writer.files})
    assert "error" not in bare, f"the test's own script is wrong:\n{text}"
    assert ours == bare, text


CASES = {
    "jump to another file": {
        "in.main": "print 'say 1'\njump in.other there\nprint 'say never'\n",
        "in.other": "print 'say passed over'\nlabel there\nprint 'say 2'\n",
    },
    "jump to the top of another file": {"in.main": "jump in.other\n", "in.other": "print 'say 2'\n"},
    "include inside a branch": {
        "in.main": 'if "1 == 1" then "include in.more" "print \'say after\'"\nprint "say end"\n',
        "in.more": "print 'say more'\n",
    },
    "jump out of an included file": {
        "in.main": "print 'say 1'\ninclude in.more\nprint 'say back'\n",
        "in.more": "jump in.other\nprint 'say never'\n", "in.other": "print 'say 2'\n",
    },
    "label that is missing": {"in.main": "print 'say 1'\njump SELF nowhere\n"},
    "file that is missing": {"in.main": "print 'say 1'\ninclude in.nothing\n"},
    "variable that is missing": {"in.main": "print 'say 1'\nprint 'say ${nothing}'\nprint 'say 2'\n"},
    "quote that is not closed": {"in.main": "print 'say 1'\nprint 'say\nprint 'say 2'\n"},
    "one letter": {"in.main": "variable x index 5 6\nprint 'say $x'\nnext x\nprint 'say $x$x'\n"},
    "nothing after a continuation": {"in.main": "print 'say 1' &\n"},
    "empty branches": {"in.main": "if \"1 < 0\" then \"print 'say a'\"\nprint 'say end'\n"},
    "strings compared": {"in.main": "variable s string abc\nif \"${s} == abc\" then \"print 'say same'\"\n"},
    "words of a file": {
        "in.main": "variable f file words\nlabel l\nprint 'say $f'\nnext f\njump SELF l\n",
        "words": "one\ntwo # comment\n\nthree\n",
    },
    "next in a branch": {
        "in.main": "variable i loop 3\nlabel l\nprint 'say $i'\n"
        "if \"$i < 9\" then \"next i\" \"jump SELF l\"\nprint 'say e'\n",
    },
    "quit": {"in.main": "print 'say 1'\n"},
    "clear keeps variables": {"in.main": "variable x index 4\nclear\nprint 'say $x'\n"},
    "uneven quotes in a comment": {"in.main": "print 'say 1' # it's \"\n# don't\nprint 'say 2'\n"},
    "tabs and trailing blanks": {"in.main": "\tprint\t'say 1'  \t\n   print   \"say 2\"\t\n"},
    "dollar in quotes": {"in.main": "variable x index 4\nvariable y string 'v $x'\nprint \"say $y\"\n"},
    "typographic signs": {
        "in.main": "\ufeffvariable\u00a0x equal \u22123\nprint \u201csay $(v_x) once\u201d\n"
                   "print \u2018say $x caf\u00e9 \u20ac\u2019 # \u00fc\n"},
    "long value": {"in.main": f"variable x string {'y' * 3000}\nprint 'say $x'\nprint \"say ${{x}}\"\n"},
    "variable of the shell": {"in.main": "shell 'echo ${HOME}-${NEVER:-none} > home.txt'\nprint 'say 1'\n"},
    "file of its own making": {
        "in.main": "print 'variable x equal 5' file made.inc\ninclude made.inc\nprint 'say $x'\nshell rm made.inc\n"
                   "print \"say $(is_file(made.inc))\"\n"},
    "nested parentheses": {"in.main": "print \"say $((1+2)*(3+4)) $(sqrt(16):%d)\"\n"},
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_special_case_does_the_same_under_both(worker, name):
    bare, ours = worker.follow(CASES[name])
    assert ours == bare
