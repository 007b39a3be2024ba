"""What can befall a run: one function a kind. Each returns how often it took effect: 0 where nothing was to harm."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

import obstore

from emulator.endpoint import Call
from lammps_jobs.api import housekeeping
from lammps_jobs.errors import LammpsJobsError, WrongState
from lammps_jobs.record import index, layout
from tools.chaos.world import ForkingBackend, signalled

if TYPE_CHECKING:
    from tools.chaos.scenario import Scenario

Act = Callable[["Scenario", Random], int]


# -- processes -----------------------------------------------------------------------------------------


def kill_engine(scene: Scenario, draw: Random) -> int:
    scene.engines_killed.add(scene.record.newest_attempt())
    return signalled(scene.engine_pid, signal.SIGKILL)


def kill_supervisor(scene: Scenario, draw: Random) -> int:
    return signalled(scene.supervisor_pid, signal.SIGKILL)


def kill_both(scene: Scenario, draw: Random) -> int:
    scene.engines_killed.add(scene.record.newest_attempt())
    engine = scene.engine_pid
    return signalled(scene.supervisor_pid, signal.SIGKILL) | signalled(engine, signal.SIGKILL)


def kill_at_start(scene: Scenario, draw: Random) -> int:
    scene.stop()
    number = scene.record.newest_attempt()
    thread = threading.Thread(target=scene.resume)
    thread.start()
    until = time.monotonic() + 10
    while scene.record.newest_attempt() == number and time.monotonic() < until:
        time.sleep(0.002)
    time.sleep(draw.uniform(0, 0.15))
    hit = signalled(scene.supervisor_pid, signal.SIGKILL)
    thread.join()
    return hit


def terminate(scene: Scenario, draw: Random) -> int:
    hit = signalled(scene.supervisor_pid, signal.SIGTERM)
    scene.until_it_stands()
    return hit


def terminate_twice(scene: Scenario, draw: Random) -> int:
    pid = scene.supervisor_pid
    hit = signalled(pid, signal.SIGTERM)
    time.sleep(draw.uniform(0, 0.1))
    signalled(pid, draw.choice([signal.SIGTERM, signal.SIGINT]))
    scene.until_it_stands()
    return hit


def terminate_then_kill(scene: Scenario, draw: Random) -> int:
    pid = scene.supervisor_pid
    hit = signalled(pid, signal.SIGTERM)
    time.sleep(draw.uniform(0, 0.2))
    signalled(pid, signal.SIGKILL)
    return hit


def freeze_engine(scene: Scenario, draw: Random) -> int:
    pid = scene.engine_pid
    hit = signalled(pid, signal.SIGSTOP)
    time.sleep(draw.uniform(0.1, 0.6))
    signalled(pid, signal.SIGCONT)
    return hit


def two_writers(scene: Scenario, draw: Random) -> int:
    """The supervisor stands still, another attempt takes over as on another machine, and the first wakes up."""
    old, before = scene.supervisor_pid, scene.record.newest_attempt()
    if not signalled(old, signal.SIGSTOP):
        return 0
    try:
        scene.world.backend._start(scene.record)
        time.sleep(draw.uniform(0.1, 0.5))
    finally:
        signalled(old, signal.SIGCONT)
    scene.overtaken.update(range(1, before + 1))
    return 1


# -- people --------------------------------------------------------------------------------------------


def resumed_twice(scene: Scenario, draw: Random) -> int:
    scene.stop()
    threads = [threading.Thread(target=scene.resume) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 1


def cancelled_and_resumed(scene: Scenario, draw: Random) -> int:
    number = scene.record.newest_attempt()
    with contextlib.suppress(WrongState):
        scene.run.cancel(now=draw.random() < 0.5)
    scene.overtaken.add(number)
    return 1


def deleted_while_it_runs(scene: Scenario, draw: Random) -> int:
    """Must be refused; a run that has just ended is let alone."""
    if scene.run.status.state != "running":
        return 0
    settle, housekeeping.SETTLE_S = housekeeping.SETTLE_S, 0.2
    try:
        require = housekeeping.require_still
        with contextlib.suppress(WrongState):
            require(scene.run, "deleted")
            if not scene.run.status.is_ended:
                scene.broken.append("a running run could have been deleted")
    finally:
        housekeeping.SETTLE_S = settle
    return 1


# -- the store -----------------------------------------------------------------------------------------


def on_network(kind: str) -> Act:
    """The next calls of some sort meet with this fault of `emulator.endpoint`."""

    def act(scene: Scenario, draw: Random) -> int:
        if scene.world.kind != "s3":
            return 0
        method = draw.choice(["PUT", "PUT", "GET", "HEAD", "DELETE", ""])
        if kind in ("lost", "twice", "late"):
            method = "PUT"
        part = draw.choice(["", "", "/blobs/", "/checkpoints/", "/attempts/"]) if method != "DELETE" else ""
        times = draw.randint(2, 8)

        def on(call: Call) -> bool:
            return (not method or call.method == method) and part in call.path and scene.name in call.path

        fault = scene.world.add_fault(on, kind, times)
        time.sleep(draw.uniform(0.3, 0.9))
        hit = times - fault.times
        fault.times = 0
        return hit

    return act


def outage(scene: Scenario, draw: Random) -> int:
    if scene.world.kind != "s3":
        return 0
    fault = scene.world.add_fault(lambda call: True, draw.choice(["503", "reset"]), 10**9)
    time.sleep(draw.uniform(0.5, 2.5))
    hit = fault.times < 10**9
    fault.times = 0
    return int(hit)


def full_disk(scene: Scenario, draw: Random) -> int:
    """The folder's file system takes nothing any more, for a while: a file fills it."""
    disk = scene.world.small_disk
    if disk is None:
        return 0
    ballast = disk / f"ballast-{scene.name}"
    with contextlib.suppress(OSError), ballast.open("wb") as file:
        while True:
            file.write(b"\0" * 65536)
            file.flush()
    time.sleep(draw.uniform(0.3, 1.0))
    ballast.unlink(missing_ok=True)
    return 1


def torn(what: str) -> Act:
    """A power cut takes all processes, and leaves the newest document of a kind empty or cut short."""

    def act(scene: Scenario, draw: Random) -> int:
        kill_both(scene, draw)
        tails = [tail for tail in scene.record.sizes() if _is(what, tail)]
        if what == "index":
            for key in [row.key for row in index.rows(scene.record.root) if row.name == scene.name]:
                with contextlib.suppress(FileNotFoundError):  # it was exchanged for another one just now
                    obstore.delete(scene.record.root, key)
            return 1
        if what == "restart file":
            needed = {layout.blob(blob.name) for one in scene.record.manifests() for blob in one.to_load}
            tails = [tail for tail in scene.record.sizes() if tail in needed]
        if not tails:
            return 0
        tail = max(tails)
        key = f"{scene.name}/{tail}"
        content = bytes(obstore.get(scene.record.root, key).bytes())
        obstore.put(scene.record.root, key, content[: draw.choice([0, len(content) // 2])])
        scene.damaged.add(what)
        scene.forget()
        return 1

    return act


def _is(what: str, tail: str) -> bool:
    folder, _, name = tail.rpartition("/")
    numbered = bool(layout.numbers([name]))
    return {
        "claim": folder == layout.ATTEMPTS and numbered,
        "end": folder == layout.ATTEMPTS and name.endswith(".end.json"),
        "event": folder.endswith("/events"),
        "progress": name == "progress.json",
        "head": tail == layout.HEAD,
        "manifest": folder == layout.CHECKPOINTS,
    }.get(what, False)


def clock_jump(scene: Scenario, draw: Random) -> int:
    """Later attempts have another wall clock; the looks at them have not."""
    backend = scene.world.backend
    if not isinstance(backend, ForkingBackend):
        return 0
    backend.shift_s = draw.choice([-3600, 3600, 3 * 86400, -30, 30])
    scene.stop()
    return 1


def head_of_another_time(scene: Scenario, draw: Random) -> int:
    """An old head is put back over the present one."""
    key, head = f"{scene.name}/{layout.HEAD}", scene.record.head()
    if head is None:
        return 0
    time.sleep(draw.uniform(0.1, 0.4))
    with contextlib.suppress(LammpsJobsError, Exception):
        obstore.put(scene.record.root, key, head.model_dump_json().encode())
    return 1


NETWORK = ("503", "500", "409", "reset", "lost", "half", "slow", "twice", "late")
TORN = ("claim", "end", "event", "progress", "head", "index", "manifest", "restart file")
FAULTS: dict[str, Act] = {
    "kill -9 of the engine": kill_engine,
    "kill -9 of the supervisor": kill_supervisor,
    "kill -9 of both": kill_both,
    "kill -9 while starting": kill_at_start,
    "SIGTERM": terminate,
    "SIGTERM twice": terminate_twice,
    "SIGTERM, then SIGKILL": terminate_then_kill,
    "engine frozen": freeze_engine,
    "two writers": two_writers,
    "resumed twice at once": resumed_twice,
    "cancelled and resumed": cancelled_and_resumed,
    "deleted while it runs": deleted_while_it_runs,
    **{f"S3: {kind}": on_network(kind) for kind in NETWORK},
    "S3: outage": outage,
    "disk of the store full": full_disk,
    **{f"torn: {what}": torn(what) for what in TORN},
    "clock of the attempts": clock_jump,
    "an old head put back": head_of_another_time,
}
