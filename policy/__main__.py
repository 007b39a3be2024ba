"""The pack as Pulumi's analyzer loads it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pulumi_policy import EnforcementLevel, PolicyPack

from policy.pack import policies

PolicyPack("lammps-jobs", policies(), enforcement_level=EnforcementLevel.MANDATORY)
