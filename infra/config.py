"""The typed configuration of a stack: what `Pulumi.<stack>.yaml` may say, checked before anything is registered."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from infra.machines import MACHINES, UNSUPPORTED, GpuArchitecture, Machine

PROJECT = "lammps-jobs"
DIGEST = r"^[^@\s]+@sha256:[0-9a-f]{64}$"
KEY_ARN = r"^arn:[^:]+:kms:[^:]+:\d{12}:key/[\w-]+$"
OWN_TAGS = frozenset({"Name", "project", "stack", "pool", "run", "sweep", "user"})
"""Tag keys that the stack and its jobs set themselves."""
Purchase = Literal["spot", "on-demand"]


STACK = r"[a-z](-?[a-z0-9])*"
"""Stack names: they become part of a bucket's name and of an image repository's, which take nothing else."""
LONGEST_BUCKET = 63


def bucket_name(stack: str, account: str, region: str) -> str:
    """The name of the bucket with the runs' records, unique in the world."""
    return f"{PROJECT}-{stack}-runs-{account}-{region}"


class ConfigError(ValueError):
    """The configuration cannot be deployed; the text names file, key, value and what is allowed."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ExistingNetwork(Section):
    """A network that is there already: the institute's VPC."""

    vpc_id: str = Field(pattern=r"^vpc-[0-9a-f]{8,17}$")
    """Its ID."""
    subnet_ids: tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")], ...] = Field(
        min_length=1, max_length=16
    )
    """Subnets of it for the machines. They must reach S3, ECR, ECS, CloudWatch Logs and AWS Batch: through a gateway,
    or through endpoints. With public subnets machines need an address, which the subnet must give them."""
    security_group_ids: tuple[Annotated[str, Field(pattern=r"^sg-[0-9a-f]{8,17}$")], ...] = Field(
        default=(), max_length=5
    )
    """Security groups of the machines; empty to make one that lets everything out and nothing in."""


class Network(Section):
    cidr: IPv4Network = IPv4Network("10.40.0.0/16")
    """Addresses of the VPC; /16 to /22."""
    zones: int = Field(default=2, ge=2, le=3)
    """Availability zones to spread over, chosen where the pools' types are offered. More zones, more Spot capacity."""
    zone_names: tuple[str, ...] = Field(default=(), max_length=3)
    """The zones themselves, instead of `zones`: pins them, so that no later choice exchanges the subnets."""
    egress: Literal["public", "nat", "endpoints"] = "public"
    """How machines reach AWS: `public` subnets with an address each (cheapest, nothing can reach in), `nat`
    (private subnets, one gateway, about 35 USD a month plus traffic) or `endpoints` (private subnets without any
    internet, about 7 USD a month per endpoint and zone)."""
    avoid: tuple[IPv4Network, ...] = ()
    """Networks that the VPC will be connected with and must not overlap."""
    flow_logs_days: int | None = Field(default=None, ge=1)
    """Days to keep VPC flow logs; null for none."""
    existing: ExistingNetwork | None = None
    """Use this network and make none; all other keys of `network` have no effect then."""

    @model_validator(mode="after")
    def _fits(self) -> Network:
        if not 16 <= self.cidr.prefixlen <= 22:
            raise ValueError(f"cidr {self.cidr} must be /16 to /22")
        if self.zone_names and not 2 <= len(set(self.zone_names)) == len(self.zone_names):
            raise ValueError("zone_names must be two or three different zones")
        for other in self.avoid:
            if self.cidr.overlaps(other):
                raise ValueError(f"cidr {self.cidr} overlaps {other}, which `avoid` names: choose another range")
        return self


class Job(Section):
    """The share of a machine that one attempt gets, unless the submission says otherwise."""

    gpus: int | None = Field(default=None, ge=0)
    """GPUs; null for one where the pool has GPUs."""
    vcpus: int | None = Field(default=None, ge=1)
    """vCPUs; null for the machine's share of that many GPUs, or for all of the smallest type."""
    memory_mib: int | None = Field(default=None, ge=512)
    """Memory in MiB; null for nine tenths of the machine's share (the rest is the system's)."""
    shm_mib: int = Field(default=1024, ge=64)
    """Shared memory for MPI between ranks, in MiB."""
    timeout_h: float = Field(default=72, gt=0, le=24 * 14)
    """Longest time of one attempt in hours; the runner takes a checkpoint before it ends."""


class Pool(Section):
    """One kind of machine."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,23}$")
    """Name that researchers choose it by; lower case, digits, dashes."""
    purchase: Purchase = "spot"
    """`spot`: 50-70 % cheaper, may be taken away with two minutes' notice. `on-demand`: neither."""
    instance_types: tuple[str, ...] = Field(min_length=1)
    """EC2 instance types; several of one GPU architecture give AWS more to choose from."""
    gpu: GpuArchitecture | None = None
    """Architecture of the GPUs, which decides the image; null for CPU machines."""
    max_vcpus: int = Field(ge=1)
    """Most vCPUs of this pool at one time; it scales down to zero by itself."""
    allocation: Literal["price-capacity", "capacity", "best-fit-progressive"] | None = None
    """How AWS chooses among the types; null for price-capacity (Spot) or best-fit-progressive (on-demand)."""
    fallback: str | None = None
    """On-demand pool that takes over where this Spot pool gets a run nowhere, or at once with `critical`."""
    critical: bool = False
    """Whether AWS Batch starts machines of `fallback` by itself where Spot has none. False: jobs wait for Spot, and
    only a run that loses its machine three times without a new checkpoint goes to the fallback."""
    scratch: Literal["instance-store", "ebs"] = "ebs"
    """Where the jobs' volumes are: on the machine's own NVMe disks, or on its root volume."""
    disk_gib: int = Field(default=100, ge=30, le=16384)
    """Size of the encrypted root volume in GiB; holds the image, and the scratch of `ebs`."""
    job: Job = Job()
    """What one attempt gets of a machine."""

    @property
    def machines(self) -> dict[str, Machine]:
        return {name: MACHINES[name] for name in self.instance_types}

    @property
    def variant(self) -> str:
        """Which image it runs: the GPU architecture, or `cpu`."""
        return self.gpu or "cpu"

    @property
    def allocation_strategy(self) -> str:
        """The name that AWS Batch has for it."""
        chosen = self.allocation or ("price-capacity" if self.purchase == "spot" else "best-fit-progressive")
        return {
            "price-capacity": "SPOT_PRICE_CAPACITY_OPTIMIZED",
            "capacity": "SPOT_CAPACITY_OPTIMIZED",
            "best-fit-progressive": "BEST_FIT_PROGRESSIVE",
        }[chosen]

    @property
    def job_gpus(self) -> int:
        return (1 if self.gpu else 0) if self.job.gpus is None else self.job.gpus

    @property
    def job_vcpus(self) -> int:
        if self.job.vcpus:
            return self.job.vcpus
        return min(m.vcpus_per_gpu * self.job_gpus if m.gpus else m.vcpus for m in self.machines.values())

    @property
    def job_memory_mib(self) -> int:
        if self.job.memory_mib:
            return self.job.memory_mib
        shares = (m.memory_mib * (self.job_gpus / m.gpus if m.gpus else 1) for m in self.machines.values())
        return int(0.9 * min(shares))

    @model_validator(mode="after")
    def _possible(self) -> Pool:
        for name in self.instance_types:
            self._check_type(name)
        if self.purchase == "on-demand" and self.fallback:
            raise ValueError(f"fallback {self.fallback!r} makes no sense for an on-demand pool: remove it")
        if self.critical and self.purchase == "spot" and not self.fallback:
            raise ValueError("critical is true but Spot machines may be missing for days: name an on-demand `fallback`")
        if (self.purchase == "spot") != self.allocation_strategy.startswith("SPOT"):
            raise ValueError(f"allocation {self.allocation!r} is not for purchase {self.purchase!r}: leave it out")
        if not any(self._job_fits(machine) for machine in self.machines.values()):
            raise ValueError(f"job of {self.job_gpus} GPUs, {self.job_vcpus} vCPUs and {self.job_memory_mib} MiB fits "
                             "on none of instance_types: ask for less, or take larger ones")  # fmt: skip
        smallest = min(machine.vcpus for machine in self.machines.values())
        if self.max_vcpus < smallest:
            raise ValueError(f"max_vcpus {self.max_vcpus} allows no machine: the smallest type has {smallest}")
        return self

    def _check_type(self, name: str) -> None:
        machine = MACHINES.get(name)
        if machine is None:
            family = name.split(".", maxsplit=1)[0]
            near = [other for other in MACHINES if other.split(".")[0] == family]
            known = ", ".join(near) or "families " + ", ".join(_families())
            raise ValueError(f"instance_types: {name!r} is not known; known are {known} (infra/machines.py)")
        if machine.gpu in UNSUPPORTED:
            raise ValueError(f"instance_types: {name} cannot be used, {UNSUPPORTED[machine.gpu]}")
        if machine.gpu != (self.gpu or ""):
            raise ValueError(f"gpu {self.gpu!r} is not what {name} has: its GPU is {machine.gpu or None!r}")
        if self.scratch == "instance-store" and not machine.nvme:
            raise ValueError(f"scratch 'instance-store' needs disks that {name} does not have: use 'ebs'")

    def _job_fits(self, machine: Machine) -> bool:
        return (self.job_gpus <= machine.gpus and self.job_vcpus <= machine.vcpus
                and self.job_memory_mib <= machine.memory_mib * 0.95)  # fmt: skip


def _families() -> list[str]:
    return sorted({name.split(".")[0] for name in MACHINES})


class ExistingBucket(Section):
    """A bucket that is there already, with its settings: one that `pulumi destroy` kept, or the institute's."""

    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    """Its name."""
    key_arn: str | None = Field(default=None, pattern=KEY_ARN)
    """ARN of the KMS key that it is encrypted with; null for Amazon's own."""


class Storage(Section):
    """The bucket with the runs' records."""

    existing: ExistingBucket | None = None
    """Use this bucket and make none; all other keys of `storage` have no effect then."""
    key_arn: str | None = Field(default=None, pattern=KEY_ARN)
    """ARN of the institute's own KMS key for the bucket; its policy must let the stack's roles use it."""
    encryption: Literal["s3", "kms"] = "s3"
    """Keys: Amazon's own (`s3`, free) or one of the stack's in KMS (`kms`, about 1 USD a month plus requests)."""
    versioning: bool = True
    """Whether a deleted or overwritten object can be had back for `noncurrent_days`."""
    noncurrent_days: int = Field(default=1, ge=1)
    """Days after which deleted objects go for good. Nearly all are superseded checkpoints: a run that takes 1 GB every
    ten minutes leaves 144 GB a day here, about 3 USD a month for each day kept."""
    archive_after_days: int | None = Field(default=None, ge=30)
    """Days after which results move to the infrequent-access class; null for never."""
    on_destroy: Literal["keep", "delete"] = "keep"
    """What `pulumi destroy` does with the bucket and everything in it."""


class Build(Section):
    source: Literal["build"] = "build"
    """`build`: here, with Docker, during `pulumi up`."""
    lammps: str = "stable_22Jul2025_update4"
    """Tag of the LAMMPS release in the GPU images."""
    lammps_sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    """Checksum of that release's archive, for another `lammps` than the default: without it, it is not checked."""


class Existing(Section):
    source: Literal["existing"]
    """`existing`: images that are somewhere already."""
    digests: dict[str, Annotated[str, Field(pattern=DIGEST)]]
    """Image by digest (`repository@sha256:...`) for each GPU architecture in use, and for `cpu`."""


class Access(Section):
    kind: Literal["none", "session-manager", "instance-connect", "ssh"] = "none"
    """How one gets a shell on a machine of a running job."""
    ssh_key: str | None = None
    """Name of the EC2 key pair, for `ssh`."""
    ssh_cidrs: tuple[IPv4Network, ...] = ()
    """Addresses that may connect, for `ssh`; never all of the world."""

    @model_validator(mode="after")
    def _complete(self) -> Access:
        if self.kind == "ssh":
            if not (self.ssh_key and self.ssh_cidrs):
                raise ValueError("kind 'ssh' needs ssh_key and ssh_cidrs")
            for cidr in self.ssh_cidrs:
                if cidr.prefixlen < 8:
                    raise ValueError(f"ssh_cidrs: {cidr} is (nearly) the whole internet: name your institute's range")
        elif self.ssh_key or self.ssh_cidrs:
            raise ValueError(f"ssh_key and ssh_cidrs are only for kind 'ssh', not {self.kind!r}")
        return self


class Alerts(Section):
    emails: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")], ...] = ()
    """Who hears of failing jobs, stuck queues and spending, and of runs that ask for it (`--notify sns`); each address
    has to confirm both."""
    monthly_budget_usd: float | None = Field(default=None, gt=0)
    """Budget in USD a month; told at 50, 80 and 100 % and when the forecast exceeds it."""
    stop_at_budget: bool = False
    """Whether a month's spending above the budget denies what the stack's own roles submit (continuations, GitHub's
    runs) and those in `stop_roles` until somebody detaches the policy. Jobs that run go on until their attempt ends."""
    stop_roles: tuple[Annotated[str, Field(pattern=r"^[\w+=,.@-]{1,64}$")], ...] = Field(default=(), max_length=50)
    """Names of the researchers' own IAM roles, which `stop_at_budget` denies submitting, too."""
    stop_jobs_at_usd: float | None = Field(default=None, gt=0)
    """USD of a month's spending at which the stack is closed: jobs that run take a checkpoint and end (`resume` goes on
    with them), those that wait go on waiting, none is submitted; null for never. Looked at once an hour, but AWS knows
    of spending half a day late."""
    anomaly_usd: float | None = Field(default=None, gt=0)
    """Unusual spending from which on AWS tells, in USD."""
    anomaly_monitor_arn: str | None = Field(default=None, pattern=r"^arn:[^:]+:ce::\d{12}:anomalymonitor/[\w-]+$")
    """The account's own monitor of all services, which AWS allows once (and often makes by itself as
    `Default-Services-Monitor`); null to make it."""
    checkpoint_age_min: int = Field(default=60, ge=5)
    """Minutes since the last checkpoint of a running job from which on an alarm goes off."""
    cost_tags: bool = False
    """Whether to activate the cost allocation tags (in the payer account, after the first job has run) and to count
    only what carries the stack's tag. Without it budget and anomalies see all of the account."""

    @model_validator(mode="after")
    def _has_readers(self) -> Alerts:
        if (self.monthly_budget_usd or self.anomaly_usd or self.stop_jobs_at_usd) and not self.emails:
            raise ValueError("a budget or a threshold that nobody hears of: add `emails`")
        if self.stop_roles and not self.stop_at_budget:
            raise ValueError("stop_roles are stopped by nothing: set stop_at_budget")
        if self.stop_at_budget and not self.monthly_budget_usd:
            raise ValueError("stop_at_budget has no budget to stop at: set monthly_budget_usd")
        return self


class Quotas(Section):
    check: bool = True
    """Whether to compare the pools' limits with the account's quotas before deploying."""
    request: bool = False
    """Whether to ask AWS for higher quotas where the pools need them (may take days)."""


class Sharing(Section):
    half_life_h: float = Field(default=6, gt=0, le=168)
    """Hours after which past use counts half in the fair share between users and sweeps."""
    reservation_percent: int = Field(default=0, ge=0, le=99)
    """Share of a pool kept for those who use nothing yet; one user alone cannot have it."""


class StackConfig(Section):
    """Everything that a stack's configuration may say. Only `pools` has no default."""

    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    """AWS region; the key `aws:region`."""
    network: Network = Network()
    pools: tuple[Pool, ...] = Field(min_length=1)
    storage: Storage = Storage()
    image: Annotated[Build | Existing, Field(discriminator="source")] = Build()
    access: Access = Access()
    alerts: Alerts = Alerts()
    quotas: Quotas = Quotas()
    sharing: Sharing = Sharing()
    github: str | None = Field(default=None, pattern=r"^[\w.-]+/[\w.-]+$")
    """GitHub repository (`owner/name`) whose main branch may submit runs, without a key."""
    github_previews: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    """Bucket of Pulumi's state: makes a role by which pull requests of `github` may `pulumi preview`, only reading."""
    github_provider: Literal["make", "existing"] = "make"
    """AWS allows one OIDC provider of GitHub in an account: `existing` where another stack or project has made it."""
    account: str | None = Field(default=None, pattern=r"^\d{12}$", coerce_numbers_to_str=True)
    """The only AWS account to deploy to; with other credentials nothing is done. Null for any."""
    permissions_boundary: str | None = Field(default=None, pattern=r"^arn:[^:]+:iam::(\d{12}|aws):policy/[\w+=,.@/-]+$")
    """ARN of the IAM policy that bounds every role of the stack, where the institute allows no role without one."""
    tags: dict[str, str] = Field(default={}, max_length=40)
    """Further tags for everything that is made, machines and their disks too, as a cost centre or an owner."""
    protect: bool = False
    """Whether the bucket, the image repository and the network are protected against deletion."""
    runnable_limit_h: float = Field(default=12, ge=1 / 6, le=24)
    """Hours after which a job that can never start (it asks for more than its pool has) is cancelled."""
    cancel_without_capacity: bool = False
    """Whether jobs that find no machines for `runnable_limit_h` are cancelled, too, which fails their runs."""

    @model_validator(mode="after")
    def _as_the_institute_has_it(self) -> StackConfig:
        if self.github_previews and not self.github:
            raise ValueError("github_previews needs the repository whose pull requests they are: set github")
        existing = self.network.existing
        if existing and existing.security_group_ids and self.access.kind in ("ssh", "instance-connect"):
            raise ValueError(f"access.kind {self.access.kind!r} needs rules in the machines' security group, and those "
                             "of network.existing.security_group_ids are not the stack's: leave them out, or use "
                             "session-manager")  # fmt: skip
        for key, value in self.tags.items():
            if key in OWN_TAGS or key.startswith("aws:"):
                raise ValueError(f"tags: {key!r} is set by the stack, its jobs, or AWS: choose another key")
            if not 1 <= len(key) <= 128 or len(value) > 256:
                raise ValueError(f"tags: {key!r}: AWS takes keys of 1 to 128 and values of up to 256 characters")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> StackConfig:
        names = [pool.name for pool in self.pools]
        if len(set(names)) < len(names):
            raise ValueError(f"pools: names must differ, {', '.join(names)} do not")
        on_demand = {pool.name for pool in self.pools if pool.purchase == "on-demand"}
        for pool in self.pools:
            if pool.fallback:
                other = next((p for p in self.pools if p.name == pool.fallback), None)
                if pool.fallback not in on_demand or other is None:
                    raise ValueError(f"pools: fallback {pool.fallback!r} of {pool.name} is no on-demand pool; "
                                     f"there are {', '.join(sorted(on_demand)) or 'none'}")  # fmt: skip
                if other.gpu != pool.gpu:
                    raise ValueError(f"pools: fallback {pool.fallback!r} of {pool.name} has another GPU architecture, "
                                     "so another image")  # fmt: skip
        if isinstance(self.image, Existing):
            missing = self.variants - set(self.image.digests)
            if missing:
                raise ValueError(f"image.digests: missing {', '.join(sorted(missing))}, which the pools need")
        for pool in self.pools:
            left = pool.max_vcpus * (100 - self.sharing.reservation_percent) / 100
            if left < pool.job_vcpus:
                raise ValueError(f"sharing.reservation_percent {self.sharing.reservation_percent} leaves {left:g} of "
                                 f"{pool.max_vcpus} vCPUs of {pool.name} to a single user, but a job needs "
                                 f"{pool.job_vcpus}: lower it, or raise max_vcpus")  # fmt: skip
        if self.access.kind == "ssh" and self.network.egress != "public" and not self.network.existing:
            raise ValueError("access.kind 'ssh' cannot reach private subnets: use session-manager or instance-connect")
        return self

    @property
    def variants(self) -> frozenset[str]:
        """The images that the pools need: GPU architectures and `cpu`."""
        return frozenset(pool.variant for pool in self.pools)


def load(raw: Mapping[str, str], stack: str) -> StackConfig:
    """The configuration of `stack` from Pulumi's flat `namespace:key` values (JSON where they are structured).

    Raises ConfigError naming the file, the key path, the value and what is allowed.
    """
    file = f"Pulumi.{stack}.yaml"
    values: dict[str, Any] = {}
    for name, text in raw.items():
        namespace, _, key = name.partition(":")
        if namespace == PROJECT:
            values[key] = _parsed(text)
    if not re.fullmatch(STACK, stack):
        raise ConfigError(f"Stack name {stack!r}: use lower-case letters, digits and single dashes, a letter first "
                          "(it becomes part of a bucket's name): pulumi stack rename NAME")  # fmt: skip
    if "region" in values:
        raise ConfigError(f"{file}: {PROJECT}:region is not used. Say it once, as aws:region.")
    region = raw.get("aws:region", "")
    if not region:
        raise ConfigError(f"{file}: aws:region is missing. Set it: pulumi config set aws:region eu-central-1")
    too_long = len(bucket_name(stack, "0" * 12, region)) - LONGEST_BUCKET
    if too_long > 0:
        raise ConfigError(f"Stack name {stack!r} is too long by {too_long}: in {region} it can have "
                          f"{len(stack) - too_long} characters (a bucket's name has at most {LONGEST_BUCKET}): "
                          "pulumi stack rename NAME")  # fmt: skip
    if isinstance(values.get("image"), dict):
        values["image"] = {"source": "build", **values["image"]}
    try:
        return StackConfig.model_validate({**values, "region": region})
    except ValidationError as error:
        lines = [_explained(item, values) for item in error.errors()]
        raise ConfigError("\n".join(f"{file}: {line}" for line in lines)) from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _explained(item: Any, values: dict[str, Any]) -> str:
    path: str = ""
    place: Any = values
    for part in item["loc"]:
        if part in ("build", "existing") and not (isinstance(place, dict) and part in place):
            continue  # pydantic's name of the branch it took
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
        with_part = isinstance(place, dict) and part in place
        place = place[part] if with_part or (isinstance(place, list) and isinstance(part, int)) else None
    key = "aws:region" if path == "region" else f"{PROJECT}:{path}" if path else PROJECT
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        return f"{key} is not known. {_allowed(item['loc'])}"
    if item["type"] == "missing":
        return f"{key} is missing."
    shown = f" = {json.dumps(place)}" if place is not None and not isinstance(place, dict | list) else ""
    return f"{key}{shown}: {message}"


def _allowed(path: tuple[Any, ...]) -> str:
    """The keys that are known where `path` ends."""
    models: dict[str, type[Section]] = {
        "network": Network, "pools": Pool, "storage": Storage, "access": Access, "alerts": Alerts,
        "quotas": Quotas, "sharing": Sharing, "job": Job, "build": Build, "existing": Existing,
    }  # fmt: skip
    if path[:1] in (("storage",), ("network",)):
        models["existing"] = ExistingBucket if path[0] == "storage" else ExistingNetwork
    model = next((models[part] for part in reversed(path[:-1]) if part in models), StackConfig)
    known = [name for name in model.model_fields if name != "region"]
    return f"Known here: {', '.join(known)}."
