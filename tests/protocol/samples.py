"""A message of each kind, and an engine state, for tests of those who read and write them."""

from __future__ import annotations

from lammps_jobs.protocol.engine_state import EngineState


def engine_state(**fields: object) -> EngineState:
    """The state of an engine at step 100 of its first run."""
    given: dict[str, object] = {
        "journal": {
            "entries": [
                {
                    "command": "units",
                    "key": "units",
                    "text": "units lj",
                    "words": ["units", "lj"],
                    "nexts": 0,
                    "used": True,
                    "folder": ".",
                    "sources": {},
                }
            ],
            "unknown": [],
            "balanced": False,
            "sort": {"every": 1000, "bin": "0.0"},
        },
        "position": {
            "frames": [{"file": "in.melt", "lines": [[1, "units lj"]], "next": 1, "is_file": True}],
            "seeking": "",
            "skip_next_jump": False,
        },
        "where": {"file": "in.melt", "line": 3, "command": "run 500"},
        "folder": {
            "current": "T1.5",
            "inputs": ["in.melt"],
            "folders": ["T1.5"],
            "links": {"latest": "T1.5"},
            "executables": [],
            "headed": [],
            "heads": {"all.dcd": "54000000"},
            "watched": ["/data/frames.*"],
            "environment": {"TAG": "a"},
            "log": "log.lammps",
        },
        "stage": 1,
        "step": 100,
        "run": {
            "first": 0,
            "last": 500,
            "start": 0,
            "stop": 500,
            "pre": True,
            "post": True,
            "every": 0,
            "commands": [],
            "span": "",
        },
        "box": {"faces": "pp pp pp", "margins": [None, None, None]},
        "grid": [1, 1, 1],
        "cuts": [],
        "echoes": True,
        "warned": False,
        "is_sorted": True,
        "has_set_up": True,
    }
    return EngineState.model_validate(given | fields)
