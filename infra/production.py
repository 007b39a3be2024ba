"""What the file of a stack that a group depends on should say: with `protect`, a preview warns of what it lacks.

What can be seen in the account itself is checked by `lammps-jobs doctor STACK --checklist`.
"""

from __future__ import annotations

from infra.config import PROJECT, StackConfig


def lacks(config: StackConfig, zones: tuple[str, ...]) -> list[str]:
    """Each key that is missing, why, and what to type; nothing for a stack to try things on. `zones`: those chosen."""
    if not config.protect:
        return []
    found = []
    if not config.account:
        found.append(
            f"account is not set: with another account's credentials a second stack would be made there. "
            f"pulumi config set {PROJECT}:account NUMBER"
        )
    if not config.network.zone_names and not config.network.existing:
        pins = "; ".join(
            f"pulumi config set --path '{PROJECT}:network.zone_names[{at}]' {zone}" for at, zone in enumerate(zones)
        )
        found.append(
            f"network.zone_names is not set: where machines are offered may change, and subnets with it. {pins}"
        )
    if config.storage.on_destroy != "keep" and not config.storage.existing:
        found.append(
            f"storage.on_destroy is not 'keep': with the stack all results go. "
            f"pulumi config set --path {PROJECT}:storage.on_destroy keep"
        )
    return found
