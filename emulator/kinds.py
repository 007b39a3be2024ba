"""Patterns of resource types: what AWS calls make, change and remove one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.account import Account

Inputs = dict[str, Any]
Made = tuple[str, dict[str, Any]]
NAMED = frozenset({"name", "namePrefix", "bucket", "vpcId", "cidrBlock", "availabilityZone", "role", "region",
                   "subnetId", "routeTableId", "securityGroupId", "dashboardName",
                   "policyName", "quotaCode", "arn", "type", "group", "url"})  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A resource type: how it comes to be, changes in place and goes."""

    create: Callable[[Account, Inputs], Made]
    delete: Callable[[Account, str, Inputs], None]
    update: Callable[[Account, str, Inputs, Inputs], dict[str, Any]] | None = None
    replaces: frozenset[str] = NAMED
    """Inputs that cannot change in place."""
    moves: frozenset[str] = frozenset()
    """Outputs that are others after a change in place."""


def without(inputs: Inputs, *names: str) -> Inputs:
    return {key: value for key, value in inputs.items() if key not in names}


def ec2(name: str, answer: str, identity: str, gone: str, /, *, tagged: str = "", **renamed: str) -> Kind:
    """An EC2 resource with an ID of its own."""

    def create(account: Account, inputs: Inputs) -> Made:
        inputs, tags = without(inputs, "tags"), inputs.get("tags", {})
        if tagged:
            inputs["tagSpecifications"] = [{"resourceType": tagged, "tags": tags}]
        made = account.call("ec2", name, inputs, **renamed)
        made = made[answer] if answer else made
        number = made[identity]
        arn = f"arn:aws:ec2:{account.region}:123456789012:{tagged or answer.lower()}/{number}"
        return number, {"arn": arn}

    def delete(account: Account, number: str, state: Inputs) -> None:
        account.call("ec2", gone, {identity: number})

    return Kind(create, delete)


def put(
    service: str, name: str, identity: Callable[[Inputs], str], gone: tuple[str, dict[str, str]] | None, /,
    outputs: Callable[[Account, Inputs, Any], Inputs] = lambda account, inputs, answer: {},
    shape: Callable[[Inputs], Inputs] = lambda inputs: inputs, overwrite: Inputs | None = None, **renamed: str,
) -> Kind:  # fmt: skip
    """Something that is named by its inputs and put there, the same way for the first and the next time."""

    def create(account: Account, inputs: Inputs) -> Made:
        answer = account.call(service, name, shape(inputs), **renamed)
        return identity(inputs), outputs(account, inputs, answer)

    def update(account: Account, number: str, old: Inputs, new: Inputs) -> Inputs:
        answer = account.call(service, name, {**shape(new), **(overwrite or {})}, **renamed)
        return outputs(account, new, answer)

    def delete(account: Account, number: str, state: Inputs) -> None:
        if gone:
            account.call(service, gone[0], {to: state[key] for key, to in gone[1].items()})

    return Kind(create, delete, update)


def named(
    service: str, name: str, answer: str, gone: str, arn: str, /, *, changed: str = "", by: str = "name",
    deleted_by: str = "", **renamed: str,
) -> Kind:  # fmt: skip
    """Something with a name and an ARN that the answer holds. `changed` is the operation that updates it."""

    def outputs(made: Any) -> Inputs:
        return {"arn": made[answer][arn] if answer else made[arn]}

    def create(account: Account, inputs: Inputs) -> Made:
        found = outputs(account.call(service, name, inputs, **renamed))
        return (inputs[by] if not deleted_by else found["arn"]), found

    def update(account: Account, number: str, old: Inputs, new: Inputs) -> Inputs:
        if changed:
            model = {"arn": old["arn"], **without(new, "tags", "name", "namePrefix", by)}
            account.call(service, changed, model, **renamed)
        return {}

    def delete(account: Account, number: str, state: Inputs) -> None:
        account.call(service, gone, {deleted_by: state["arn"]} if deleted_by else {renamed.get(by, by): state[by]})

    return Kind(create, delete, update)


def checked(
    service: str, name: str, shape: Callable[[Inputs], Inputs] = lambda inputs: inputs, /, **renamed: str
) -> Kind:
    """What moto does not serve: the request is checked against botocore's model."""

    def create(account: Account, inputs: Inputs) -> Made:
        account.check(service, name, shape(inputs), **renamed)
        number = f"{name}-{len(account.only_checked)}"
        return number, {"arn": f"arn:aws:{service}::123456789012:{number}"}

    return Kind(create, lambda account, number, state: None)
