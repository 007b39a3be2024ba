"""The whole stack: checks first, then the components in the order in which they need each other."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_aws as aws

from infra import production, quotas
from infra.base import Component, Context
from infra.batch import Batch
from infra.config import PROJECT, Build, ConfigError, StackConfig, load
from infra.cost import Cost
from infra.guard import Guard
from infra.identity import Identity
from infra.images import Images
from infra.network import Network
from infra.observability import Logs, Observability
from infra.storage import Storage
from infra.zones import zones_for
from lammps_jobs.backends.aws_batch.contract import OUTPUTS_FORMAT, StackOutputs, parameter_name


def docker_answers() -> bool:
    """Whether a Docker engine can be reached from here."""
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "version"], capture_output=True, check=False).returncode == 0


def build(can_build: Callable[[], bool] = docker_answers) -> None:
    """The Pulumi program. Whatever is wrong is said before the first resource is registered."""
    stack = pulumi.get_stack()
    try:
        config = load(configured(), stack)
        context, allowed = survey(stack, config, can_build)
    except ConfigError as error:
        raise pulumi.RunError(str(error)) from None
    for text in production.lacks(config, context.zones):
        pulumi.log.warn(f"Pulumi.{stack}.yaml: {PROJECT}:{text}")
    deploy(context, allowed)


def configured() -> dict[str, str]:
    """All of the stack's configuration, `namespace:key` to text; `pulumi.Config` can only be asked for known keys."""
    from pulumi.runtime.config import CONFIG, get_config_env

    return {**get_config_env(), **CONFIG.get()}


def survey(stack: str, config: StackConfig, can_build: Callable[[], bool]) -> tuple[Context, dict[str, float]]:
    """What can be known of account and region beforehand. Raises ConfigError with what to change."""
    try:
        account = aws.get_caller_identity().account_id
        # whatever their state: a zone in trouble must not exchange the network in the middle of an outage
        zones = aws.get_availability_zones(filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}]).names
        offered = _offered(config)
        existing = config.network.existing
        subnets = {name: aws.ec2.get_subnet(id=name) for name in existing.subnet_ids} if existing else {}
    except Exception as error:
        raise ConfigError(
            f"AWS cannot be asked with the present credentials: {_last_line(error)}\n"
            "Log in (aws sso login), set AWS_PROFILE, and check aws:region."
        ) from error
    if config.account and config.account != account:
        raise ConfigError(
            f"Pulumi.{stack}.yaml: {PROJECT}:account = {config.account}, but the present credentials are of {account}. "
            "Log in to the right account (AWS_PROFILE), or change the key."
        )
    chosen = zones_for(
        config, zones, offered, {name: (one.vpc_id, one.availability_zone) for name, one in subnets.items()}
    )
    if isinstance(config.image, Build) and not can_build():
        _no_docker(stack)
    allowed = _quotas(config) if config.quotas.check or config.quotas.request else {}
    missing = quotas.shortfalls(config, allowed) if allowed else []
    if missing and not config.quotas.request:
        raise ConfigError("\n".join([*missing, quotas.SPARE]))
    return Context(stack, config, account, chosen), allowed


def _offered(config: StackConfig) -> dict[str, set[str]]:
    """The instance types of the pools that each zone has."""
    types = sorted({name for pool in config.pools for name in pool.instance_types})
    found = aws.ec2.get_instance_type_offerings(
        location_type="availability-zone", filters=[{"name": "instance-type", "values": types}]
    )
    offered: dict[str, set[str]] = {}
    for zone, name in zip(found.locations, found.instance_types, strict=True):
        offered.setdefault(zone, set()).add(name)
    return offered


def _quotas(config: StackConfig) -> dict[str, float]:
    found = {}
    for code in quotas.needed(config):
        try:
            found[code] = aws.servicequotas.get_service_quota(service_code="ec2", quota_code=code).value
        except Exception as error:
            raise ConfigError(
                f"The account's EC2 quota {code} cannot be read: {_last_line(error)}\n"
                "Allow servicequotas:GetServiceQuota and servicequotas:GetAWSDefaultServiceQuota, "
                f"or set {PROJECT}:quotas.check to false."
            ) from error
    return found


def _no_docker(stack: str) -> None:
    text = (
        f"Pulumi.{stack}.yaml: {PROJECT}:image.source is 'build', but no Docker engine answers here. Start Docker, "
        "or name existing images: image: {source: existing, digests: {...}}"
    )
    if not pulumi.runtime.is_dry_run():
        raise ConfigError(text)
    pulumi.log.warn(text)  # a preview builds nothing


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[-1]


def deploy(context: Context, allowed: dict[str, float]) -> None:
    """Register every component and export the outputs."""
    if context.config.quotas.request:
        quotas.Quotas(context, allowed)
    network = Network(context)
    storage = Storage(context)
    logs = Logs(context)
    images = Images(context)
    identity = Identity(context, storage, images, logs.jobs)
    batch = Batch(context, network, storage, images, identity, logs.jobs)
    observability = Observability(context, batch, logs)
    Cost(context, observability, identity)
    if context.config.alerts.stop_jobs_at_usd:
        Guard(context, identity, batch, observability, context.config.alerts.stop_jobs_at_usd)
    Outputs(context, storage, logs, images, identity, batch, observability)


class Outputs(Component):
    """What the library needs to know: exported, and in one SSM parameter."""

    def __init__(
        self, context: Context, storage: Storage, logs: Logs, images: Images, identity: Identity, batch: Batch,
        observability: Observability,
    ) -> None:  # fmt: skip
        super().__init__("Outputs", context)
        pools = {
            pool.name: {
                "queue": batch.pools[pool.name].queue.arn,
                "definition": batch.pools[pool.name].definition.arn,
                "environments": [environment.arn for environment in batch.pools[pool.name].environments],
                "purchase": pool.purchase,
                "gpu": pool.gpu or "",
                "image": images.digests[pool.variant],
                "instance_types": list(pool.instance_types),
                "gpus": pool.job_gpus,
                "vcpus": pool.job_vcpus,
                "memory_mib": pool.job_memory_mib,
                "max_vcpus": pool.max_vcpus,
                "quotas": sorted(quotas.quotas_of(pool)),
            }
            for pool in context.config.pools
        }
        console = f"https://{context.region}.console.aws.amazon.com/cloudwatch/home?region={context.region}"
        values: dict[str, Any] = {
            "format": OUTPUTS_FORMAT,
            "stack": context.stack,
            "region": context.region,
            "account": context.account,
            "bucket": storage.name_of_bucket,
            "store": storage.name_of_bucket.apply(lambda bucket: f"s3://{bucket}/runs"),
            "log_group": logs.jobs.name,
            "pools": pools,
            "default_pool": context.config.pools[0].name,
            "access": context.config.access.kind,
            "dashboard": f"{console}#dashboards/dashboard/{observability.board}",
            "researcher_policy": identity.researcher.arn,
            "topic": observability.runs.arn,
        }
        if set(values) != set(StackOutputs.model_fields):
            raise AssertionError(
                "The program's outputs are not those of lammps_jobs.backends.aws_batch.contract.StackOutputs"
            )
        aws.ssm.Parameter(
            "outputs",
            name=parameter_name(context.stack),
            type="String",
            tier="Intelligent-Tiering",
            insecure_value=pulumi.Output.json_dumps(values),  # nothing secret: diffs stay readable
            tags=self.tags("outputs"),
            opts=self.child(),
        )
        for key, value in values.items():
            pulumi.export(key, value)
        self.register_outputs({})
