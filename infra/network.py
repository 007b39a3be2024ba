"""VPC, subnets and the way out of them. Nothing from outside gets in."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.base import Component, Context

ENDPOINTS = ("ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "logs", "batch", "ssm", "ssmmessages",
             "ec2messages")  # fmt: skip
"""AWS services that machines without internet talk to (AWS Batch user guide, "Access using an interface endpoint")."""


class Network(Component):
    """`subnet_ids` for machines, `group_ids` the security groups that they are in."""

    subnet_ids: list[pulumi.Input[str]]
    group_ids: list[pulumi.Input[str]]
    vpc_id: pulumi.Input[str]

    def __init__(self, context: Context) -> None:
        super().__init__("Network", context)
        existing = context.config.network.existing
        if existing:
            self.vpc_id, self.subnet_ids = existing.vpc_id, [*existing.subnet_ids]
            self.group_ids = [*existing.security_group_ids] or [self._machines().id]
        else:
            self._make()
        self.register_outputs({"vpc": self.vpc_id})

    def _make(self) -> None:
        context, config = self.context, self.context.config.network
        self.vpc = aws.ec2.Vpc(
            "vpc",
            cidr_block=str(config.cidr),
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self.tags("vpc"),
            opts=self.child(protect=context.config.protect),
        )
        blocks = list(config.cidr.subnets(new_prefix=config.cidr.prefixlen + 3))
        # by the zone's letter, so that a zone keeps its addresses whatever other zones are used
        own = {zone: str(blocks[(ord(zone[-1]) - ord("a")) % (len(blocks) - 1)]) for zone in context.zones}
        public = config.egress == "public"
        self.subnets = [
            self._subnet(("public" if public else "private") + zone[-2:], zone, own[zone], public=public)
            for zone in context.zones
        ]
        self.vpc_id, self.subnet_ids = self.vpc.id, [subnet.id for subnet in self.subnets]
        self.tables = [self._table("machines", self.subnets)]
        self._egress(str(blocks[-1]))
        self.machines = self._machines()
        self.group_ids = [self.machines.id]
        self._endpoints()
        if config.flow_logs_days:
            self._flow_logs(config.flow_logs_days)

    def _subnet(self, name: str, zone: str, block: str, *, public: bool) -> aws.ec2.Subnet:
        return aws.ec2.Subnet(
            name,
            vpc_id=self.vpc.id,
            availability_zone=zone,
            cidr_block=block,
            map_public_ip_on_launch=public,
            tags=self.tags(name),
            opts=self.child(),
        )

    def _table(self, name: str, subnets: list[aws.ec2.Subnet]) -> aws.ec2.RouteTable:
        table = aws.ec2.RouteTable(name, vpc_id=self.vpc.id, tags=self.tags(name), opts=self.child())
        for number, subnet in enumerate(subnets):
            aws.ec2.RouteTableAssociation(
                f"{name}-{number}", subnet_id=subnet.id, route_table_id=table.id, opts=self.child()
            )
        return table

    def _egress(self, gateway_block: str) -> None:
        egress = self.context.config.network.egress
        if egress == "endpoints":
            return
        internet = aws.ec2.InternetGateway(
            "internet", vpc_id=self.vpc.id, tags=self.tags("internet"), opts=self.child()
        )
        if egress == "public":
            self._route("out", self.tables[0], gateway_id=internet.id)
            return
        subnet = self._subnet("gateway", self.context.zones[0], gateway_block, public=False)
        self._route("gateway-out", self._table("gateway", [subnet]), gateway_id=internet.id)
        address = aws.ec2.Eip("nat", domain="vpc", tags=self.tags("nat"), opts=self.child(after=[internet]))
        nat = aws.ec2.NatGateway(
            "nat", subnet_id=subnet.id, allocation_id=address.id, tags=self.tags("nat"), opts=self.child()
        )
        self._route("out", self.tables[0], nat_gateway_id=nat.id)

    def _route(self, name: str, table: aws.ec2.RouteTable, **way: pulumi.Output[str]) -> None:
        aws.ec2.Route(name, route_table_id=table.id, destination_cidr_block="0.0.0.0/0", **way, opts=self.child())

    def _machines(self) -> aws.ec2.SecurityGroup:
        """Machines may call out; nobody may call in, but who `access` says."""
        access = self.context.config.access
        group = self._group("machines", "Machines that run LAMMPS: no way in")
        aws.vpc.SecurityGroupEgressRule(
            "machines-out",
            security_group_id=group.id,
            ip_protocol="-1",
            cidr_ipv4="0.0.0.0/0",
            description="To AWS",
            opts=self.child(),
        )
        if access.kind == "ssh":
            for number, cidr in enumerate(access.ssh_cidrs):
                self._ssh(f"ssh-{number}", group, "As config access.ssh_cidrs says", cidr_ipv4=str(cidr))
        if access.kind == "instance-connect":
            endpoint = self._group("connect", "EC2 Instance Connect Endpoint: to the machines only")
            aws.vpc.SecurityGroupEgressRule(
                "connect-out",
                security_group_id=endpoint.id,
                ip_protocol="tcp",
                from_port=22,
                to_port=22,
                referenced_security_group_id=group.id,
                description="To the machines",
                opts=self.child(),
            )
            self._ssh("ssh-connect", group, "From the endpoint", referenced_security_group_id=endpoint.id)
            aws.ec2transitgateway.InstanceConnectEndpoint(
                "connect",
                subnet_id=self.subnet_ids[0],
                security_group_ids=[endpoint.id],
                preserve_client_ip=False,
                tags=self.tags("connect"),
                opts=self.child(),
            )
        return group

    def _group(self, name: str, description: str) -> aws.ec2.SecurityGroup:
        return aws.ec2.SecurityGroup(
            name,
            name_prefix=self.name(name) + "-",
            description=description,
            vpc_id=self.vpc_id,
            tags=self.tags(name),
            opts=self.child(),
        )

    def _ssh(self, name: str, group: aws.ec2.SecurityGroup, description: str, **source: Any) -> None:
        aws.vpc.SecurityGroupIngressRule(
            name,
            security_group_id=group.id,
            ip_protocol="tcp",
            from_port=22,
            to_port=22,
            description=description,
            **source,
            opts=self.child(),
        )

    def _endpoints(self) -> None:
        """S3 always (free, and results do not go through the NAT gateway); the rest where there is no internet."""
        aws.ec2.VpcEndpoint(
            "s3",
            vpc_id=self.vpc.id,
            service_name=f"com.amazonaws.{self.context.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in self.tables],
            tags=self.tags("s3"),
            opts=self.child(),
        )
        if self.context.config.network.egress != "endpoints":
            return
        group = self._group("endpoints", "AWS service endpoints: from the machines only")
        aws.vpc.SecurityGroupIngressRule(
            "endpoints-in",
            security_group_id=group.id,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            referenced_security_group_id=self.machines.id,
            description="From the machines",
            opts=self.child(),
        )
        for service in ENDPOINTS:
            aws.ec2.VpcEndpoint(
                service.replace(".", "-"),
                vpc_id=self.vpc.id,
                service_name=f"com.amazonaws.{self.context.region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=[subnet.id for subnet in self.subnets],
                security_group_ids=[group.id],
                tags=self.tags(service),
                opts=self.child(),
            )

    def _flow_logs(self, days: int) -> None:
        logs = aws.cloudwatch.LogGroup(
            "flow",
            name=f"/{self.context.prefix}/flow",
            retention_in_days=days,
            tags=self.tags("flow"),
            opts=self.child(),
        )
        role = self.role("flow", json.dumps(policies.assumed_by("vpc-flow-logs.amazonaws.com", self.context.account)))
        aws.iam.RolePolicy(
            "flow",
            role=role.name,
            policy=logs.arn.apply(lambda arn: json.dumps(policies.flow_logs(arn))),
            opts=self.child(),
        )
        aws.ec2.FlowLog(
            "flow",
            vpc_id=self.vpc.id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=logs.arn,
            iam_role_arn=role.arn,
            tags=self.tags("flow"),
            opts=self.child(),
        )
