"""Resource types that take more than one call, or whose inputs are not AWS's own."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from emulator.kinds import Inputs, Kind, Made, put, without

if TYPE_CHECKING:
    from emulator.account import Account


def make_bucket(account: Account, inputs: Inputs) -> Made:
    name = inputs["bucket"]
    where = (
        {} if account.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
    )
    s3 = account.client("s3")
    s3.create_bucket(Bucket=name, **where)
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": k, "Value": v} for k, v in inputs["tags"].items()]})
    return name, {"arn": f"arn:aws:s3:::{name}", "id": name}


def drop_bucket(account: Account, name: str, state: Inputs) -> None:
    s3 = account.client("s3")
    s3.delete_bucket_policy(Bucket=name)
    found = s3.list_object_versions(Bucket=name)
    for one in [*found.get("Versions", []), *found.get("DeleteMarkers", [])]:
        assert state["forceDestroy"], "a bucket with objects in it may only go with forceDestroy"
        s3.delete_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"])
    s3.delete_bucket(Bucket=name)


def allow(way: str) -> Kind:
    """A rule of a security group."""

    def create(account: Account, inputs: Inputs) -> Made:
        permission: Inputs = {key: inputs[key] for key in ("ipProtocol", "fromPort", "toPort") if key in inputs}
        described = {"description": inputs.get("description", "")}
        if "cidrIpv4" in inputs:
            permission["ipRanges"] = [{"cidrIp": inputs["cidrIpv4"], **described}]
        if "referencedSecurityGroupId" in inputs:
            permission["userIdGroupPairs"] = [{"groupId": inputs["referencedSecurityGroupId"], **described}]
        group = inputs["securityGroupId"]
        if way == "Egress":  # EC2 gives each new group this rule; the provider takes it away first
            everything = [{"ipProtocol": "-1", "ipRanges": [{"cidrIp": "0.0.0.0/0"}]}]
            account.call("ec2", "RevokeSecurityGroupEgress", {"groupId": group, "ipPermissions": everything})
        made = account.call("ec2", f"AuthorizeSecurityGroup{way}", {"groupId": group, "ipPermissions": [permission]})
        return made["SecurityGroupRules"][0]["SecurityGroupRuleId"], {}

    def delete(account: Account, number: str, state: Inputs) -> None:
        account.call("ec2", f"RevokeSecurityGroup{way}",
                     {"groupId": state["securityGroupId"], "securityGroupRuleIds": [number]})  # fmt: skip

    return Kind(create, delete)


def make_gateway(account: Account, inputs: Inputs) -> Made:
    number = account.call("ec2", "CreateInternetGateway", {})["InternetGateway"]["InternetGatewayId"]
    account.call("ec2", "AttachInternetGateway", {"internetGatewayId": number, "vpcId": inputs["vpcId"]})
    return number, {}


def drop_gateway(account: Account, number: str, state: Inputs) -> None:
    account.call("ec2", "DetachInternetGateway", {"internetGatewayId": number, "vpcId": state["vpcId"]})
    account.call("ec2", "DeleteInternetGateway", {"internetGatewayId": number})


def make_subnet(account: Account, inputs: Inputs) -> Made:
    made = account.call("ec2", "CreateSubnet", without(inputs, "tags", "mapPublicIpOnLaunch"))["Subnet"]
    public = {"subnetId": made["SubnetId"], "mapPublicIpOnLaunch": {"value": inputs["mapPublicIpOnLaunch"]}}
    account.call("ec2", "ModifySubnetAttribute", public)
    return made["SubnetId"], {"arn": made["SubnetArn"]}


def make_vpc(account: Account, inputs: Inputs) -> Made:
    number = account.call("ec2", "CreateVpc", {"cidrBlock": inputs["cidrBlock"]})["Vpc"]["VpcId"]
    for name in ("enableDnsSupport", "enableDnsHostnames"):
        account.call("ec2", "ModifyVpcAttribute", {"vpcId": number, name: {"value": inputs[name]}})
    account.call("ec2", "CreateTags", {"resources": [number], "tags": inputs["tags"]})
    return number, {"arn": f"arn:aws:ec2:{account.region}:123456789012:vpc/{number}"}


def _template_data(inputs: Inputs) -> Inputs:
    return without(inputs, "tags", "name", "namePrefix", "updateDefaultVersion", "defaultVersion")


def make_template(account: Account, inputs: Inputs) -> Made:
    wanted = {"launchTemplateName": inputs["namePrefix"] + "1", "launchTemplateData": _template_data(inputs)}
    made = account.call("ec2", "CreateLaunchTemplate", wanted)["LaunchTemplate"]
    return made["LaunchTemplateId"], {"latestVersion": 1, "name": made["LaunchTemplateName"]}


def next_template(account: Account, number: str, old: Inputs, new: Inputs) -> Inputs:
    if _template_data(old) == _template_data(new):
        return {}
    wanted = {"launchTemplateId": number, "launchTemplateData": _template_data({k: new[k] for k in new if k in old})}
    made = account.call("ec2", "CreateLaunchTemplateVersion", wanted)
    return {"latestVersion": made["LaunchTemplateVersion"]["VersionNumber"]}


def make_environment(account: Account, inputs: Inputs) -> Made:
    given = {"computeEnvironmentName": f"{inputs['namePrefix']}{len(account.made):04d}"}
    wanted = {**without(inputs, "namePrefix", "updatePolicy"), **given, "serviceRole": _batch_role(account)}
    made = account.call("batch", "CreateComputeEnvironment", wanted)
    return given["computeEnvironmentName"], {
        "arn": made["computeEnvironmentArn"],
        "name": made["computeEnvironmentName"],
    }


def _batch_role(account: Account) -> str:
    """AWS makes this role by itself where none is named; moto wants it said."""
    iam = account.client("iam")
    try:
        return str(iam.create_service_linked_role(AWSServiceName="batch.amazonaws.com")["Role"]["Arn"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "EntityAlreadyExists":  # a second pool, or stack
            raise
    return str(iam.get_role(RoleName="AWSServiceRoleForbatch")["Role"]["Arn"])


def next_environment(account: Account, number: str, old: Inputs, new: Inputs) -> Inputs:
    wanted: Inputs = {
        "computeEnvironment": number,
        **{key: new[key] for key in ("state", "updatePolicy") if key in new},
    }
    wanted["computeResources"] = new["computeResources"]
    account.check("batch", "UpdateComputeEnvironment", wanted)  # moto would take it and change nothing
    return {}


def drop_environment(account: Account, number: str, state: Inputs) -> None:
    account.call("batch", "UpdateComputeEnvironment", {"computeEnvironment": number, "state": "DISABLED"})
    account.call("batch", "DeleteComputeEnvironment", {"computeEnvironment": number})


def make_queue(account: Account, inputs: Inputs) -> Made:
    made = account.call("batch", "CreateJobQueue", inputs, name="jobQueueName")
    return made["jobQueueArn"], {"arn": made["jobQueueArn"]}


def next_queue(account: Account, number: str, old: Inputs, new: Inputs) -> Inputs:
    account.call("batch", "UpdateJobQueue", {"jobQueue": number, **without(new, "name", "tags")})
    return {}


def drop_queue(account: Account, number: str, state: Inputs) -> None:
    account.call("batch", "UpdateJobQueue", {"jobQueue": number, "state": "DISABLED"})
    account.call("batch", "DeleteJobQueue", {"jobQueue": number})


def register(account: Account, inputs: Inputs) -> Made:
    wanted = without(inputs, "deregisterOnNewRevision")
    wanted["containerProperties"] = json.loads(inputs["containerProperties"])
    wanted["retryStrategy"] = {"attempts": inputs["retryStrategy"]["attempts"],
                               "evaluateOnExit": inputs["retryStrategy"]["evaluateOnExits"]}  # fmt: skip
    made = account.call("batch", "RegisterJobDefinition", wanted, name="jobDefinitionName")
    return made["jobDefinitionArn"], {"arn": made["jobDefinitionArn"], "revision": made["revision"]}


def deregister(account: Account, number: str, state: Inputs) -> None:
    account.call("batch", "DeregisterJobDefinition", {"jobDefinition": state["arn"]})


def make_key(account: Account, inputs: Inputs) -> Made:
    wanted = without(inputs, "enableKeyRotation", "deletionWindowInDays", "tags")
    made = account.call("kms", "CreateKey", {**wanted, "tags": _kms_tags(inputs)})["KeyMetadata"]
    account.call("kms", "EnableKeyRotation", {"keyId": made["KeyId"]})
    return made["KeyId"], {"arn": made["Arn"], "keyId": made["KeyId"]}


def _kms_tags(inputs: Inputs) -> list[Inputs]:
    return [{"tagKey": key, "tagValue": value} for key, value in inputs["tags"].items()]


def make_rule(account: Account, inputs: Inputs) -> Made:
    return inputs["name"], {"arn": account.call("events", "PutRule", inputs)["RuleArn"]}


def make_policy(account: Account, inputs: Inputs) -> Made:
    made = account.call("iam", "CreatePolicy", inputs, name="PolicyName", policy="PolicyDocument")["Policy"]
    return made["Arn"], {"arn": made["Arn"]}


def image(account: Account, inputs: Inputs) -> Made:
    """An image that was built and pushed: a manifest in its repository. Building it is tried in tests of the image."""
    name, _, tag = str(inputs["imageName"]).rpartition(":")
    build = inputs["build"]
    manifest = json.dumps({"schemaVersion": 2, "config": {"digest": f"{tag} {build['target']} {build['args']}"}})
    digest = f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
    account.client("ecr").put_image(
        repositoryName=name.partition("/")[2], imageManifest=manifest, imageTag=tag, imageDigest=digest,
        imageManifestMediaType="application/vnd.docker.distribution.manifest.v2+json",
    )  # fmt: skip
    return inputs["imageName"], {"repoDigest": f"{name}@{digest}", "baseImageName": name}


def log_group(account: Account, inputs: Inputs) -> Made:
    account.client("logs").create_log_group(logGroupName=inputs["name"], tags=inputs["tags"])
    keep_logs(account, inputs["name"], inputs, inputs)
    return inputs["name"], {"arn": f"arn:aws:logs:{account.region}:123456789012:log-group:{inputs['name']}"}


def keep_logs(account: Account, number: str, old: Inputs, new: Inputs) -> Inputs:
    wanted = {"logGroupName": new["name"], "retentionInDays": new["retentionInDays"]}
    account.call("logs", "PutRetentionPolicy", wanted)
    return {}


def repository(account: Account, inputs: Inputs) -> Made:
    wanted = without(inputs, "forceDelete", "encryptionConfigurations")
    wanted["encryptionConfiguration"] = inputs["encryptionConfigurations"][0]
    made = account.call("ecr", "CreateRepository", wanted, name="repositoryName")["repository"]
    return inputs["name"], {
        "arn": made["repositoryArn"],
        "repositoryUrl": made["repositoryUri"],
        "registryId": made["registryId"],
    }


def profile(account: Account, inputs: Inputs) -> Made:
    made = account.call("iam", "CreateInstanceProfile", without(inputs, "role"), name="InstanceProfileName")
    account.call("iam", "AddRoleToInstanceProfile", {"InstanceProfileName": inputs["name"], "RoleName": inputs["role"]})
    return inputs["name"], {"arn": made["InstanceProfile"]["Arn"]}


def drop_profile(account: Account, number: str, state: Inputs) -> None:
    given = {"InstanceProfileName": number}
    account.call("iam", "RemoveRoleFromInstanceProfile", {**given, "RoleName": state["role"]})
    account.call("iam", "DeleteInstanceProfile", given)


def subscribe(account: Account, inputs: Inputs) -> Made:
    made = account.call("sns", "Subscribe", inputs, topic="TopicArn")
    return made["SubscriptionArn"], {"arn": made["SubscriptionArn"]}


def make_function(account: Account, inputs: Inputs) -> Made:
    wanted = without(inputs, "code", "name", "tags")
    made = account.call("lambda", "CreateFunction", {
        **wanted, "functionName": inputs["name"], "code": {"zipFile": packed(_texts_of(inputs["code"]))},
        "tags": inputs["tags"]})  # fmt: skip
    return inputs["name"], {"arn": made["FunctionArn"]}


def packed(texts: Mapping[str, str]) -> bytes:
    """A zip file of texts by name, without times: the same texts have one checksum."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return content.getvalue()


def _texts_of(code: Inputs) -> dict[str, str]:
    """The texts of an archive, as the program's graph has it, or as Pulumi's engine hands it over."""
    return {name: one if isinstance(one, str) else one["text"] for name, one in code.get("assets", code).items()}


def next_function(account: Account, number: str, old: Inputs, new: Inputs) -> Inputs:
    wanted = without(new, "code", "name", "tags", "architectures")
    account.call("lambda", "UpdateFunctionConfiguration", {**wanted, "functionName": number})
    if new["code"] != old["code"]:
        code = {"functionName": number, "zipFile": packed(_texts_of(new["code"]))}
        account.call("lambda", "UpdateFunctionCode", code)
    return {}


def invoke_right(inputs: Inputs) -> Inputs:
    return {**without(inputs, "function"), "functionName": inputs["function"], "statementId": "events"}


def target(inputs: Inputs) -> Inputs:
    return {"rule": inputs["rule"], "targets": [{"id": "log", "arn": inputs["arn"]}]}


def drop_target(account: Account, number: str, state: Inputs) -> None:
    account.call("events", "RemoveTargets", {"rule": state["rule"], "ids": ["log"]})


def budget(inputs: Inputs) -> Inputs:
    subscribers = [
        {
            "notification": without(one, "subscriberEmailAddresses", "subscriberSnsTopicArns"),
            "subscribers": [
                *({"subscriptionType": "EMAIL", "address": a} for a in one["subscriberEmailAddresses"]),
                *({"subscriptionType": "SNS", "address": a} for a in one["subscriberSnsTopicArns"]),
            ],
        }
        for one in inputs.get("notifications", [])
    ]
    budget = {
        "budgetName": inputs["name"],
        "budgetType": inputs["budgetType"],
        "timeUnit": inputs["timeUnit"],
        "budgetLimit": {"amount": inputs["limitAmount"], "unit": inputs["limitUnit"]},
        "costFilters": {one["name"]: one["values"] for one in inputs.get("costFilters", [])},
    }
    return {"accountId": "123456789012", "budget": budget, "notificationsWithSubscribers": subscribers}


def drop_budget(account: Account, number: str, state: Inputs) -> None:
    account.call("budgets", "DeleteBudget", {"accountId": "123456789012", "budgetName": state["name"]})


def make_budget(account: Account, inputs: Inputs) -> Made:
    account.call("budgets", "CreateBudget", budget(inputs))
    return inputs["name"], {}


def anomaly(inputs: Inputs) -> Inputs:
    monitor = without(inputs, "tags", "name", "monitorSpecification") | {"monitorName": inputs["name"]}
    if "monitorSpecification" in inputs:
        monitor["monitorSpecification"] = json.loads(inputs["monitorSpecification"])
    return {"anomalyMonitor": monitor}


def anomaly_mail(inputs: Inputs) -> Inputs:
    wanted = without(inputs, "tags", "name", "thresholdExpression", "monitorArnLists")
    expression = {"dimensions": inputs["thresholdExpression"]["dimension"]}
    return {"anomalySubscription": {**wanted, "subscriptionName": inputs["name"], "thresholdExpression": expression,
                                    "monitorArnList": inputs["monitorArnLists"]}}  # fmt: skip


def of_bucket(name: str, shape: Callable[[Inputs], Inputs]) -> Kind:
    """A property of a bucket; gone with the bucket."""
    return put("s3", name, lambda inputs: inputs["bucket"], None,
                shape=lambda inputs: {"bucket": inputs["bucket"], **shape(inputs)})  # fmt: skip


def lifecycle(inputs: Inputs) -> Inputs:
    def rule(one: Inputs) -> Inputs:
        return {
            key: [value] if key == "transitions" and not isinstance(value, list) else value
            for key, value in one.items()
        }

    return {"lifecycleConfiguration": {"rules": [rule(one) for one in inputs["rules"]]}}


def noop(account: Account, number: str, state: Inputs) -> None:
    """Gone with what it belongs to."""
