"""The table: resource type of the Pulumi program to AWS calls."""

from __future__ import annotations

from emulator.kinds import Kind, checked, ec2, named, put, without
from emulator.resources import (
    allow,
    anomaly,
    anomaly_mail,
    budget,
    deregister,
    drop_bucket,
    drop_budget,
    drop_environment,
    drop_gateway,
    drop_profile,
    drop_queue,
    drop_target,
    image,
    invoke_right,
    keep_logs,
    lifecycle,
    log_group,
    make_bucket,
    make_budget,
    make_environment,
    make_function,
    make_gateway,
    make_key,
    make_policy,
    make_queue,
    make_rule,
    make_subnet,
    make_template,
    make_vpc,
    next_environment,
    next_function,
    next_queue,
    next_template,
    noop,
    of_bucket,
    profile,
    register,
    repository,
    subscribe,
    target,
)

KINDS: dict[str, Kind] = {
    "aws:ec2/vpc:Vpc": Kind(make_vpc, lambda a, n, s: a.call("ec2", "DeleteVpc", {"vpcId": n})),
    "aws:ec2/subnet:Subnet": Kind(make_subnet, lambda a, n, s: a.call("ec2", "DeleteSubnet", {"subnetId": n})),
    "aws:ec2/routeTable:RouteTable": ec2("CreateRouteTable", "RouteTable", "RouteTableId", "DeleteRouteTable"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": ec2(
        "AssociateRouteTable", "", "AssociationId", "DisassociateRouteTable"
    ),
    "aws:ec2/route:Route": put(
        "ec2", "CreateRoute", lambda i: i["routeTableId"] + "-" + i["destinationCidrBlock"],
        ("DeleteRoute", {"routeTableId": "routeTableId", "destinationCidrBlock": "destinationCidrBlock"}),
    ),
    "aws:ec2/internetGateway:InternetGateway": Kind(make_gateway, drop_gateway),
    "aws:ec2/eip:Eip": ec2("AllocateAddress", "", "AllocationId", "ReleaseAddress"),
    "aws:ec2/natGateway:NatGateway": ec2("CreateNatGateway", "NatGateway", "NatGatewayId", "DeleteNatGateway"),
    "aws:ec2/securityGroup:SecurityGroup": ec2(
        "CreateSecurityGroup", "", "GroupId", "DeleteSecurityGroup", namePrefix="groupName"
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": allow("Ingress"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": allow("Egress"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": ec2("CreateVpcEndpoint", "VpcEndpoint", "VpcEndpointId", "DeleteVpcEndpoints"),
    "aws:ec2/flowLog:FlowLog": Kind(
        lambda a, i: (a.call("ec2", "CreateFlowLogs", {
            **without(i, "vpcId", "tags", "iamRoleArn"), "resourceIds": [i["vpcId"]], "resourceType": "VPC",
            "deliverLogsPermissionArn": i["iamRoleArn"]})["FlowLogIds"][0], {}),
        lambda a, n, s: a.call("ec2", "DeleteFlowLogs", {"flowLogIds": [n]}),
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": Kind(
        make_template, lambda a, n, s: a.call("ec2", "DeleteLaunchTemplate", {"launchTemplateId": n}), next_template,
        moves=frozenset({"latestVersion"}),
    ),
    "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint": checked(
        "ec2", "CreateInstanceConnectEndpoint", lambda i: without(i, "tags")
    ),
    "aws:s3/bucket:Bucket": Kind(make_bucket, drop_bucket),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": of_bucket(
        "PutPublicAccessBlock", lambda i: {"publicAccessBlockConfiguration": without(i, "bucket")}
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": of_bucket(
        "PutBucketOwnershipControls", lambda i: {"ownershipControls": {"rules": [i["rule"]]}}
    ),
    "aws:s3/bucketPolicy:BucketPolicy": of_bucket("PutBucketPolicy", lambda i: {"policy": i["policy"]}),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": of_bucket(
        "PutBucketEncryption",
        lambda i: {"serverSideEncryptionConfiguration": {"rules": [
            {{"applyServerSideEncryptionByDefault": "applyServerSideEncryptionByDefault"}.get(k, k):
             ({"SSEAlgorithm": v["sseAlgorithm"], "KMSMasterKeyID": v.get("kmsMasterKeyId")}
              if k == "applyServerSideEncryptionByDefault" else v) for k, v in rule.items()} for rule in i["rules"]]}},
    ),
    "aws:s3/bucketVersioning:BucketVersioning": of_bucket(
        "PutBucketVersioning", lambda i: {"versioningConfiguration": i["versioningConfiguration"]}
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": of_bucket(
        "PutBucketLifecycleConfiguration", lifecycle
    ),
    "aws:kms/key:Key": Kind(
        make_key, lambda a, n, s: a.call("kms", "ScheduleKeyDeletion", {"keyId": n, "pendingWindowInDays": 30})
    ),
    "aws:kms/alias:Alias": put("kms", "CreateAlias", lambda i: i["name"], ("DeleteAlias", {"name": "aliasName"}),
                                name="aliasName"),
    "aws:ecr/repository:Repository": Kind(
        repository, lambda a, n, s: a.call("ecr", "DeleteRepository", {"repositoryName": n, "force": s["forceDelete"]})
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": put(
        "ecr", "PutLifecyclePolicy", lambda i: i["repository"], None, repository="repositoryName",
        policy="lifecyclePolicyText",
    ),
    "docker:index/image:Image": Kind(
        image, noop, lambda a, n, old, new: image(a, new)[1], moves=frozenset({"repoDigest"})
    ),
    "aws:iam/role:Role": named("iam", "CreateRole", "Role", "DeleteRole", "Arn", name="RoleName",
                                assumeRolePolicy="AssumeRolePolicyDocument"),
    "aws:iam/rolePolicy:RolePolicy": put(
        "iam", "PutRolePolicy", lambda i: i["role"] + ":inline",
        ("DeleteRolePolicy", {"role": "RoleName", "name": "PolicyName"}),
        shape=lambda i: {"roleName": i["role"], "policyName": i.get("name", "inline"), "policyDocument": i["policy"]},
        outputs=lambda a, i, r: {"name": i.get("name", "inline")},
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": put(
        "iam", "AttachRolePolicy", lambda i: i["role"] + "-" + i["policyArn"],
        ("DetachRolePolicy", {"role": "RoleName", "policyArn": "PolicyArn"}), role="RoleName",
    ),
    "aws:iam/instanceProfile:InstanceProfile": Kind(profile, drop_profile),
    "aws:iam/policy:Policy": Kind(
        make_policy,
        lambda a, n, s: a.call("iam", "DeletePolicy", {"policyArn": n}),
        lambda a, n, old, new: a.call("iam", "CreatePolicyVersion", {
            "policyArn": n, "policyDocument": new["policy"], "setAsDefault": True}) and {},
    ),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": named(
        "iam", "CreateOpenIDConnectProvider", "", "DeleteOpenIDConnectProvider", "OpenIDConnectProviderArn", by="url",
        deleted_by="OpenIDConnectProviderArn", clientIdLists="ClientIDList",
    ),
    "aws:batch/schedulingPolicy:SchedulingPolicy": named(
        "batch", "CreateSchedulingPolicy", "", "DeleteSchedulingPolicy", "arn", changed="UpdateSchedulingPolicy",
        deleted_by="arn", fairSharePolicy="fairsharePolicy",
    ),
    "aws:batch/computeEnvironment:ComputeEnvironment": Kind(make_environment, drop_environment, next_environment),
    "aws:batch/jobQueue:JobQueue": Kind(make_queue, drop_queue, next_queue),
    "aws:batch/jobDefinition:JobDefinition": Kind(
        register, deregister, lambda a, n, old, new: register(a, new)[1],
        moves=frozenset({"arn", "revision"}),
    ),
    "aws:lambda/function:Function": Kind(
        make_function, lambda a, n, s: a.call("lambda", "DeleteFunction", {"functionName": n}), next_function
    ),
    "aws:lambda/permission:Permission": put(
        "lambda", "AddPermission", lambda i: f"{i['function']}-events",
        ("RemovePermission", {"function": "functionName", "statementId": "statementId"}), shape=invoke_right,
        outputs=lambda a, i, r: {"statementId": "events"},
    ),
    "aws:cloudwatch/logGroup:LogGroup": Kind(
        log_group, lambda a, n, s: a.call("logs", "DeleteLogGroup", {"logGroupName": n}), keep_logs
    ),
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": put(
        "logs", "PutResourcePolicy", lambda i: i["policyName"], ("DeleteResourcePolicy", {"policyName": "policyName"})
    ),
    "aws:cloudwatch/eventRule:EventRule": Kind(
        make_rule, lambda a, n, s: a.call("events", "DeleteRule", {"name": n}),
        lambda a, n, old, new: make_rule(a, new)[1],
    ),
    "aws:cloudwatch/eventTarget:EventTarget": Kind(
        lambda a, i: (a.call("events", "PutTargets", target(i)) and i["rule"] + "-log", {}), drop_target
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": put(
        "cloudwatch", "PutMetricAlarm", lambda i: i["name"], ("DeleteAlarms", {"name": "alarmNames"}),
        outputs=lambda a, i, r: {"arn": f"arn:aws:cloudwatch:{a.region}:123456789012:alarm:{i['name']}"},
        shape=lambda i: {**without(i, "dimensions"),
                         "dimensions": [{"name": k, "value": v} for k, v in i["dimensions"].items()]},
        name="alarmName",
    ),
    "aws:cloudwatch/dashboard:Dashboard": put(
        "cloudwatch", "PutDashboard", lambda i: i["dashboardName"],
        ("DeleteDashboards", {"dashboardName": "dashboardNames"}),
    ),
    "aws:sns/topic:Topic": named("sns", "CreateTopic", "", "DeleteTopic", "TopicArn", deleted_by="TopicArn"),
    "aws:sns/topicPolicy:TopicPolicy": put(
        "sns", "SetTopicAttributes", lambda i: i["arn"], None,
        shape=lambda i: {"topicArn": i["arn"], "attributeName": "Policy", "attributeValue": i["policy"]},
    ),
    "aws:sns/topicSubscription:TopicSubscription": Kind(
        subscribe, lambda a, n, s: a.call("sns", "Unsubscribe", {"subscriptionArn": n})
    ),
    "aws:budgets/budget:Budget": Kind(
        make_budget, drop_budget,
        lambda a, n, old, new: a.call("budgets", "UpdateBudget", {
            "accountId": "123456789012", "newBudget": budget(new)["budget"]}) and {},
    ),
    "aws:budgets/budgetAction:BudgetAction": checked("budgets", "CreateBudgetAction", lambda i: {
        **without(i, "tags"), "accountId": "123456789012"}),
    "aws:costexplorer/anomalyMonitor:AnomalyMonitor": checked("ce", "CreateAnomalyMonitor", anomaly),
    "aws:costexplorer/anomalySubscription:AnomalySubscription": checked(
        "ce", "CreateAnomalySubscription", anomaly_mail
    ),
    "aws:costexplorer/costAllocationTag:CostAllocationTag": checked(
        "ce", "UpdateCostAllocationTagsStatus", lambda i: {"costAllocationTagsStatus": [i]}
    ),
    "aws:servicequotas/serviceQuota:ServiceQuota": checked(
        "service-quotas", "RequestServiceQuotaIncrease", value="desiredValue"
    ),
    "aws:ssm/parameter:Parameter": put(
        "ssm", "PutParameter", lambda i: i["name"], ("DeleteParameter", {"name": "name"}),
        outputs=lambda a, i, r: {"version": r["Version"]}, overwrite={"overwrite": True, "tags": None},
        insecureValue="value",
    ),
}  # fmt: skip


def kind_of(token: str) -> Kind:
    if token not in KINDS:
        raise KeyError(f"The table of the test account does not know the resource type {token}")
    return KINDS[token]
