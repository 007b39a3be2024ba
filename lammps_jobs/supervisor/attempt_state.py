"""What is known of an attempt at one moment, and the times and bounds that rule it. `transitions` changes it."""

from __future__ import annotations

from dataclasses import dataclass, field

from lammps_jobs.record.documents import Checkpoint, Decision, Equipment, Lineage, Progress
from lammps_jobs.supervisor.actions import Action
from lammps_jobs.supervisor.blame import Barred, Place

CHECKPOINT_WITHIN = 0.5
"""Share of the checkpoint interval within which a good step to cut at is waited for."""
RESERVED = 0.4
"""Share of the grace time kept for writing and uploading."""
REBALANCE_S = 20.0
"""Seconds in which a good step is looked for when EC2 recommends to leave a machine."""
BUDGET, NEARLY = "budget", 0.8
"""Why an attempt ends, and the share of the budget at which its user is warned."""
BUDGET_GRACE_S = 60.0
"""Seconds for the last checkpoint of a run whose budget is used up."""
CONNECT_S = 300.0
"""Seconds until an engine must have opened LAMMPS and said so."""
SILENT_S = 120.0
"""Seconds without a sign of life (one comes every 5 s) after which an engine is taken for hung."""
DEAF_S = 20.0
"""Seconds between two stimuli (a tick comes every 0.2 s) after which the supervisor must have stood still."""
STUCK_S = 600.0
"""Seconds without a timestep, in a run that can be cut, after which a checkpoint that was asked for is given up."""
PATIENCE = 10.0
"""How many times the time that a checkpoint was given must have passed, too."""
MOST_TRIES = 8
"""Engines started in a row without a new checkpoint until the attempt gives up."""
BACK_OFF_S, LONGEST_BACK_OFF_S = 0.5, 30.0
"""Pause before the third engine in a row, doubled for every further one."""
NOTHING_BARRED, FROM_THE_START = Barred(), Lineage()
CORRECT = "Look at its last frames and rows, which are kept; correct the script, and submit it again with --replace."


@dataclass(frozen=True)
class Rules:
    """What does not change during an attempt."""

    run: str
    attempt: int
    host: str
    every_s: float
    time_limit_s: float | None = None
    grace_s: float = 25.0
    least_s: float | None = None
    """Where given, the time between two checkpoints is chosen between this and `every_s`."""
    interruptions: int = 0
    used_s: float = 0.0
    """Of all attempts before this one: how many were interrupted, and their machine time."""
    budget_s: float | None = None
    """Machine time that all attempts together may take."""


@dataclass(frozen=True)
class Asked:
    """A checkpoint that the engine was asked for."""

    at: float
    within_s: float


@dataclass(frozen=True)
class Stopping:
    """The attempt is to end; at `deadline` it ends without a further checkpoint."""

    why: str
    deadline: float


@dataclass(frozen=True)
class AttemptState:
    rules: Rules
    started_at: float
    progress: Progress
    barred: Barred = NOTHING_BARRED
    on_probation: tuple[Decision, ...] = ()
    """Decisions of earlier attempts which this one tries again, to be forgiven or upheld."""
    number: int = 0
    """Of the newest try; what an engine that was given up still says is passed over."""
    fruitless: int = 0
    """Tries started since the last checkpoint."""
    with_memory: bool = True
    """Whether a new engine gets back what its checkpoint holds of LAMMPS's objects: until LAMMPS fails after that."""
    start_at: float | None = None
    """When the next try starts; None: none is waited for."""
    is_listening: bool = False
    heard_at: float = 0.0
    moved_at: float = 0.0
    is_cuttable: bool = False
    due: float = 0.0
    chosen_s: float | None = None
    """The time between two checkpoints that was chosen for the stall that was seen."""
    has_warned: bool = False
    """Whether the user was told that the budget is nearly used up."""
    """When the next checkpoint is asked for."""
    asked: Asked | None = None
    stopping: Stopping | None = None
    origin: Checkpoint | None = None
    newest_cut: Checkpoint | None = None
    """The newest checkpoint in the past of the engine's run."""
    has_resumed: bool = False
    lineage: Lineage = FROM_THE_START
    suspicion: Place | None = None
    """Where LAMMPS failed soon after a cut, once."""
    lammps_version: int = 0
    ranks: int = 1
    equipment: Equipment = field(default_factory=Equipment)
    last_at: float = 0.0
    """When anything happened last."""
    is_over: bool = False

    @property
    def every_s(self) -> float:
        """Seconds between two checkpoints."""
        return self.chosen_s or self.rules.every_s

    def used_s(self, at: float) -> float:
        """Machine time of all attempts."""
        return self.rules.used_s + at - self.started_at


Step = tuple[AttemptState, tuple[Action, ...]]
"""What an attempt becomes, and what is to be done, in order."""
