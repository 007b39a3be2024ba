"""Runs a Pulumi program in a process of its own: `python program.py SETTINGS FOLDER`. Needs nothing but `pulumi`."""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
import traceback

import pulumi
from pulumi import RunError
from pulumi.runtime import reset_options, run_in_stack

BAILED = 32


def main() -> int:
    settings, program = json.loads(sys.argv[1]), sys.argv[2]
    sys.argv = [program]
    reset_options(**settings)

    def run() -> None:
        runpy.run_path(program, run_name="__main__")

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(run_in_stack(run))
    except RunError as error:
        pulumi.log.error(str(error))
        return BAILED
    except Exception:
        pulumi.log.error("Program failed with an unhandled exception:\n" + traceback.format_exc())
        return BAILED
    finally:
        loop.close()
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)
