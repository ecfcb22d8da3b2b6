"""Insecure changes as data: the resources added to prod, the policy that reports them, and a word from its fix."""

import json
from collections.abc import Mapping
from typing import Any

Added = tuple[str, Mapping[str, Any]]
Change = tuple[str, str, tuple[Added, ...]]

_FOREIGN = "999988887777"
_STRANGER = f"arn:aws:iam::{_FOREIGN}:role/stranger"
_OURS = "123456789012"
_ALL_ROLES = f"arn:aws:iam::{_OURS}:role/*"
_DIGEST = "app@sha256:" + "0" * 64
_RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"
_K8S_NET = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
_ENTRY = "aws:eks/accessEntry:AccessEntry"
_ASSOCIATION = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
_INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
_GROUP = "aws:ec2/securityGroup:SecurityGroup"
_ACL = "aws:ec2/networkAcl:NetworkAcl"
_INSTANCE = "aws:rds/instance:Instance"
_PERMISSION = "aws:lambda/permission:Permission"
_SECURITY = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}


def _statement(**differing: Any) -> str:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::ours/*", **differing}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _may(action: Any, resource: Any = "*", **differing: Any) -> tuple[Added, ...]:
    policy = _statement(Action=action, Resource=resource, **differing)
    return (("aws:iam/rolePolicy:RolePolicy", {"role": "it", "policy": policy}),)


def _may_but(action: str, **denial: Any) -> tuple[Added, ...]:
    """Return a role policy that allows an action on every role of the account and, changed by `denial`, denies it."""
    allowed = {"Effect": "Allow", "Action": action, "Resource": _ALL_ROLES}
    denied = {"Effect": "Deny", "Action": action, "Resource": _ALL_ROLES, **denial}
    statements = [allowed, {key: it for key, it in denied.items() if it is not None}]
    return (("aws:iam/rolePolicy:RolePolicy", {"role": "it", "policy": json.dumps({"Statement": statements})}),)


def _if(key: str, *values: str, operator: str = "StringEquals") -> Mapping[str, Any]:
    return {"Condition": {operator: {key: list(values)}}}


def _tells_topic(service: str, operator: str, key: str, limit: Any) -> tuple[Added, ...]:
    principal, action = {"Service": service}, "sns:Publish"
    policy = _statement(Principal=principal, Action=action, Resource="*", Condition={operator: {key: limit}})
    return (("aws:sns/topicPolicy:TopicPolicy", {"policy": policy}),)


def _lets_in(type_: str, who: Any, key: str = "policy", action: str = "s3:GetObject") -> tuple[Added, ...]:
    return ((type_, {key: _statement(Principal=who, Action=action, Resource="*")}),)


def _pod(kind: str, pod: Mapping[str, Any], **container: Any) -> tuple[Added, ...]:
    """Return a workload whose pod is `restricted`, except for the given fields of the pod and its container."""
    whole = {
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "automountServiceAccountToken": False,
        "containers": [{"name": "app", "image": _DIGEST, "securityContext": _SECURITY, **container}],
        **pod,
    }
    metadata = {"namespace": "rewards", "name": "it"}
    template: dict[str, Any] = {"metadata": metadata, "spec": whole}
    match kind:
        case "Pod":
            return (("kubernetes:core/v1:Pod", template),)
        case "CronJob":
            spec: dict[str, Any] = {"jobTemplate": {"spec": {"template": template}}}
        case _:
            spec = {"template": template}
    return ((f"kubernetes:{'batch' if 'Job' in kind else 'apps'}/v1:{kind}", {"metadata": metadata, "spec": spec}),)


def _node_path(kind: str, **volume: Any) -> tuple[Added, ...]:
    return _pod(kind, {"volumes": [{"name": "node", **(volume or {"hostPath": {"path": "/"}})}]})


def _root(kind: str, key: str, **security: Any) -> tuple[Added, ...]:
    containers = {key: [{"name": "app", "image": _DIGEST, "securityContext": {**_SECURITY, **security}}]}
    filtered = {"seccompProfile": {"type": "RuntimeDefault"}}
    return _pod(kind, {"securityContext": {"runAsNonRoot": True, "runAsUser": 10001, **filtered}, **containers})


def _network(**spec: Any) -> tuple[Added, ...]:
    return ((_K8S_NET, {"metadata": {"namespace": "rewards"}, "spec": {"podSelector": {}, **spec}}),)


def _binds(kind: str, role: str, who: str = "ServiceAccount", name: str = "it") -> tuple[Added, ...]:
    return (
        (
            f"{_RBAC}{kind}",
            {"roleRef": {"kind": "ClusterRole", "name": role}, "subjects": [{"kind": who, "name": name}]},
        ),
    )


def _role(kind: str, **rule: Any) -> tuple[Added, ...]:
    return ((f"{_RBAC}{kind}", {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], **rule}]}),)


def _in(*ranges: str, port: int = 22) -> tuple[Added, ...]:
    """Return an ingress rule for each address range, all in one security group that no other change uses."""
    key, group = "cidrIpv6" if ":" in ranges[0] else "cidrIpv4", f"sg-{' '.join(ranges)}"
    return tuple(
        (_INGRESS, {"securityGroupId": group, "ipProtocol": "tcp", "fromPort": port, "toPort": port, key: it})
        for it in ranges
    )


def _public(scheme: Mapping[str, Any]) -> tuple[Added, ...]:
    return (("kubernetes:core/v1:Service", {"metadata": {"namespace": "rewards"}, "spec": scheme}),)


def _simply(*types: str, **props: Any) -> tuple[Added, ...]:
    return tuple((type_, props) for type_ in types)


def _image_then(*stages: Any, project: str = "findings", buildspec: str = "findings") -> tuple[Added, ...]:
    """A pipeline that builds an image and goes on with these stages, and a build that the stages may name."""
    built = {"name": "Image", "provider": "ECRBuildAndPublish", "namespace": "Image"}
    build = {"name": project, "source": {"buildspec": f"pipelines/buildspecs/{buildspec}.yaml"}}
    pipeline = {"stages": [{"name": "Image", "actions": [built]}, *stages]}
    return (("aws:codebuild/project:Project", build), ("aws:codepipeline/pipeline:Pipeline", pipeline))


def _build(name: str, digest: str = "Image.ECRImageDigestId", project: str = "findings", order: int = 1) -> Any:
    variables = json.dumps([{"name": "IMAGE_ARN", "value": f"app/#{{{digest}}}"}])
    configuration = {"ProjectName": project, "EnvironmentVariables": variables}
    return {"name": name, "provider": "CodeBuild", "runOrder": order, "configuration": configuration}


def _stage(*actions: Any, **differing: Any) -> Any:
    return {"name": "Scan", "actions": list(actions), **differing}


_ROLLOUT = _build("Rollout", project="rollout")
_HALVES = ["12.0.0.0/8", "13.0.0.0/8"]
"""Two ranges, each as wide as an owner's can be, and wider than that together."""
_DATABASE = {
    "publiclyAccessible": False,
    "storageEncrypted": True,
    "kmsKeyId": "key",
    "manageMasterUserPassword": True,
    "masterUserSecretKmsKeyId": "key",
    "iamDatabaseAuthenticationEnabled": True,
    "deletionProtection": True,
}

CHANGES: dict[str, Change] = {
    # A function's address, and whoever may call a function
    "function url": ("function-url-signed", "AWS_IAM", _simply("aws:lambda/functionUrl:FunctionUrl", authorizationType="NONE")),
    "function url without a type": ("function-url-signed", "AWS_IAM", _simply("aws:lambda/functionUrl:FunctionUrl")),
    "function url for every page": (
        "function-url-signed", "AWS_IAM",
        _simply("aws:lambda/functionUrl:FunctionUrl", authorizationType="AWS_IAM", cors={"allowOrigins": ["*"]}),
    ),
    "function url's permission": ("function-invokers", "function_url_auth_type", _simply(_PERMISSION, principal="1", functionUrlAuthType="NONE")),
    "function for a foreign account": ("account-is-ours", "accounts", _simply(_PERMISSION, principal=_FOREIGN)),
    "layer of a foreign account": (
        "account-is-ours", "accounts",
        _simply("aws:lambda/function:Function", layers=[f"arn:aws:lambda:us-east-1:{_FOREIGN}:layer:it:1"]),
    ),
    # What faces the internet
    "HTTP API": ("one-front-door", "load balancer", _simply("aws:apigatewayv2/api:Api", protocolType="HTTP", target="arn")),
    "REST API": ("one-front-door", "load balancer", _simply("aws:apigateway/restApi:RestApi")),
    "route of an API": ("one-front-door", "load balancer", _simply("aws:apigatewayv2/route:Route", authorizationType="NONE")),
    "GraphQL API": ("one-front-door", "load balancer", _simply("aws:appsync/graphQLApi:GraphQLApi", authenticationType="API_KEY")),
    "App Runner": ("one-front-door", "load balancer", _simply("aws:apprunner/service:Service")),
    "CloudFront": ("one-front-door", "load balancer", _simply("aws:cloudfront/distribution:Distribution")),
    "classic load balancer": ("one-front-door", "load balancer", _simply("aws:elb/loadBalancer:LoadBalancer")),
    "plain listener": ("balancer-listens-encrypted", "HTTPS", _simply("aws:lb/listener:Listener", protocol="TCP", port=5432)),
    "listener that redirects to others": ("redirects-stay-here", "host", _simply("aws:lb/listener:Listener", protocol="HTTPS", defaultActions=[{"type": "redirect", "redirect": {"host": "evil.example", "statusCode": "HTTP_301"}}])),
    "rule that redirects to others": ("redirects-stay-here", "host", _simply("aws:lb/listenerRule:ListenerRule", actions=[{"type": "redirect", "redirect": {"host": "evil.example", "statusCode": "HTTP_302"}}])),
    "second action that redirects to others": ("redirects-stay-here", "host", _simply("aws:lb/listenerRule:ListenerRule", actions=[{"type": "authenticate-cognito"}, {"type": "redirect", "redirect": {"host": "#{host}.evil.example"}}])),
    "bucket as a site": ("bucket-is-no-site", "website", _simply("aws:s3/bucketWebsiteConfiguration:BucketWebsiteConfiguration")),
    "bucket by ACL": ("bucket-is-no-site", "acl", _simply("aws:s3/bucketAcl:BucketAcl", acl="public-read")),
    "bucket with an ACL": ("bucket-is-no-site", "acl", _simply("aws:s3/bucket:Bucket", acl="public-read")),
    "address of a machine": ("machines-without-public-address", "NAT", _simply("aws:ec2/eip:Eip", instance="i-1")),
    "machine with an address": ("machines-without-public-address", "NAT", _simply("aws:ec2/instance:Instance", associatePublicIpAddress=True)),
    "load balancer service": ("services-inside", "ClusterIP", _public({"type": "LoadBalancer"})),
    "node port": ("services-inside", "ClusterIP", _public({"type": "NodePort"})),
    "external address": ("services-inside", "ClusterIP", _public({"externalIPs": ["203.0.113.9"]})),
    "external name": ("services-inside", "ClusterIP", _public({"type": "ExternalName", "externalName": "evil.example"})),
    "ingress": ("services-inside", "ClusterIP", _simply("kubernetes:networking.k8s.io/v1:Ingress")),
    # People, keys and what they take
    "user": ("no-iam-users", "Identity Center", _simply("aws:iam/user:User")),
    "access key": ("no-iam-users", "role", _simply("aws:iam/accessKey:AccessKey", user="it")),
    "user's policy": (
        "no-iam-users", "role",
        _simply("aws:iam/userPolicyAttachment:UserPolicyAttachment", policyArn="arn:aws:iam::aws:policy/AdministratorAccess"),
    ),
    "login profile": ("no-iam-users", "role", _simply("aws:iam/userLoginProfile:UserLoginProfile")),
    "group": ("no-iam-users", "role", _simply("aws:iam/group:Group")),
    "group's policy": ("no-iam-users", "role", _simply("aws:iam/groupPolicyAttachment:GroupPolicyAttachment")),
    "SSH key": ("no-iam-users", "role", _simply("aws:iam/sshKey:SshKey")),
    "administrator by attachment": (
        "role-no-administrator", "actions",
        _simply("aws:iam/rolePolicyAttachment:RolePolicyAttachment", policyArn="arn:aws:iam::aws:policy/IAMFullAccess"),
    ),
    "administrator by the role": (
        "role-no-administrator", "actions",
        _simply("aws:iam/role:Role", managedPolicyArns=["arn:aws:iam::aws:policy/job-function/SystemAdministrator"]),
    ),
    "administrator by a list": (
        "role-no-administrator", "actions",
        _simply("aws:iam/policyAttachment:PolicyAttachment", policyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess"),
    ),
    "OIDC provider": ("no-identity-providers", "PodIdentityAssociation", _simply("aws:iam/openIdConnectProvider:OpenIdConnectProvider", url="https://it")),
    "SAML provider": ("no-identity-providers", "Remove", _simply("aws:iam/samlProvider:SamlProvider")),
    "identities of a pool": ("no-identity-providers", "Remove", _simply("aws:cognito/identityPool:IdentityPool")),
    # Permissions
    "PassRole, PutRolePolicy and AssumeRole": ("policy-gives-no-rights", "Name the roles", _may(["iam:PassRole", "iam:PutRolePolicy", "sts:AssumeRole"])),
    "PassRole": ("policy-gives-no-rights", "PassedToService", _may("iam:PassRole", f"arn:aws:iam::{_OURS}:role/*")),
    "PassRole to services, of all": (
        "policy-gives-no-rights", "PassedToService",
        _may("iam:PassRole", "*", Condition={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}),
    ),
    "PassRole to all services": (
        "policy-gives-no-rights", "PassedToService",
        _may("iam:PassRole", f"arn:aws:iam::{_OURS}:role/*", Condition={"StringLike": {"iam:PassedToService": "*"}}),
    ),
    "PassRole by a pattern": ("policy-gives-no-rights", "PassedToService", _may("iam:Pass*")),
    "AssumeRole of any account": ("policy-gives-no-rights", "Name the roles", _may("sts:AssumeRole", "arn:aws:iam::*:role/deploy")),
    "AssumeRole by a pattern": ("policy-gives-no-rights", "Name the roles", _may("sts:Assume*")),
    "AttachRolePolicy on all roles": ("policy-gives-no-rights", "PermissionsBoundary", _may("iam:AttachRolePolicy", f"arn:aws:iam::{_OURS}:role/*")),
    "access keys": ("policy-gives-no-rights", "Name the roles", _may("iam:CreateAccessKey")),
    "policy versions": ("policy-gives-no-rights", "Name the roles", _may("iam:CreatePolicyVersion")),
    "PassRole to every service of AWS's": ("policy-gives-no-rights", "PassedToService", _may("iam:PassRole", _ALL_ROLES, **_if("iam:PassedToService", "*.amazonaws.com", operator="StringLike"))),
    "PassRole of roles by a letter": ("policy-gives-no-rights", "Name the roles", _may("iam:PassRole", f"arn:aws:iam::{_OURS}:role/r*")),
    "PassRole of roles in any path": ("policy-gives-no-rights", "Name the roles", _may("iam:PassRole", f"arn:aws:iam::{_OURS}:role/*/x")),
    "PassRole of roles by one letter more": ("policy-gives-no-rights", "Name the roles", _may("iam:PassRole", f"arn:aws:iam::{_OURS}:role/?unner")),
    "AssumeRole of every pipeline's roles": ("policy-gives-no-rights", "Name the roles", _may("sts:AssumeRole", f"arn:aws:iam::{_OURS}:role/delivery-*")),
    "AssumeRole of roles by a strange beginning": ("policy-gives-no-rights", "Name the roles", _may("sts:AssumeRole", f"arn:aws:iam::{_OURS}:role/a*")),
    "AttachRolePolicy of the administrator's": ("policy-gives-no-rights", "PermissionsBoundary", _may("iam:AttachRolePolicy", _ALL_ROLES, **_if("iam:PolicyARN", "arn:aws:iam::aws:policy/AdministratorAccess", operator="ArnEquals"))),
    "AttachRolePolicy of any of AWS's": ("policy-gives-no-rights", "PermissionsBoundary", _may("iam:AttachRolePolicy", _ALL_ROLES, **_if("iam:PolicyARN", "arn:aws:iam::aws:policy/*", operator="ArnLike"))),
    "PutRolePolicy up to the administrator": ("policy-gives-no-rights", "PermissionsBoundary", _may("iam:PutRolePolicy", _ALL_ROLES, **_if("iam:PermissionsBoundary", "arn:aws:iam::aws:policy/AdministratorAccess"))),
    "PutRolePolicy up to any policy of ours": ("policy-gives-no-rights", "PermissionsBoundary", _may("iam:PutRolePolicy", _ALL_ROLES, **_if("iam:PermissionsBoundary", f"arn:aws:iam::{_OURS}:policy/*", operator="ArnLike"))),
    "PassRole but of nobody": ("policy-gives-no-rights", "Name the roles", _may_but("iam:PassRole", Resource=f"arn:aws:iam::{_OURS}:role/nobody")),
    "PutRolePolicy but of one delivery role": ("policy-gives-no-rights", "Name the roles", _may_but("iam:PutRolePolicy", Resource=f"arn:aws:iam::{_OURS}:role/delivery-it")),
    "PutRolePolicy but on a condition": ("policy-gives-no-rights", "Name the roles", _may_but("iam:PutRolePolicy", Resource=f"arn:aws:iam::{_OURS}:role/delivery-*", Condition={"Bool": {"aws:SecureTransport": "false"}})),
    "PutRolePolicy but of all others": ("policy-gives-no-rights", "Name the roles", _may_but("iam:PutRolePolicy", Resource=None, NotResource=_ALL_ROLES)),
    "any role action": ("policy-names-actions", "verb", _may("iam:*Role*", f"arn:aws:iam::{_OURS}:role/it")),
    "any object action": ("policy-names-actions", "verb", _may("s3:*Object*", "arn:aws:s3:::ours/*")),
    "any action that ends so": ("policy-names-actions", "verb", _may("kms:*crypt", f"arn:aws:kms:us-east-1:{_OURS}:key/it")),
    "part of a verb": ("policy-names-actions", "verb", _may("iam:P*", f"arn:aws:iam::{_OURS}:role/it")),
    "one letter open": ("policy-names-actions", "verb", _may("s3:?etObject", "arn:aws:s3:::ours/*")),
    "objects of every bucket": ("policy-names-resources", "ARNs", _may("s3:GetObject")),
    "objects of every bucket by ARN": ("policy-names-resources", "ARNs", _may("s3:Get*", "arn:aws:s3:::*")),
    "every secret": ("policy-names-resources", "ARNs", _may("secretsmanager:GetSecretValue")),
    "every function": ("policy-names-resources", "ARNs", _may("lambda:InvokeFunction")),
    "every secret of ours": ("policy-names-resources", "ARNs", _may("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:us-east-1:{_OURS}:secret:*")),
    "secrets by a letter": ("policy-names-resources", "ARNs", _may("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:us-east-1:{_OURS}:secret:v*")),
    "every function's code": ("policy-names-resources", "ARNs", _may("lambda:UpdateFunctionCode", f"arn:aws:lambda:us-east-1:{_OURS}:function:*")),
    "every user of every database": ("policy-names-resources", "ARNs", _may("rds-db:connect", f"arn:aws:rds-db:us-east-1:{_OURS}:dbuser:*/*")),
    "a user of every database": ("policy-names-resources", "ARNs", _may("rds-db:connect", f"arn:aws:rds-db:us-east-1:{_OURS}:dbuser:*/rewards_admin")),
    "every queue of ours": ("policy-names-resources", "ARNs", _may("sqs:ReceiveMessage", f"arn:aws:sqs:*:{_OURS}:*")),
    "every parameter of ours": ("policy-names-resources", "ARNs", _may("ssm:GetParameter", f"arn:aws:ssm:us-east-1:{_OURS}:parameter/*")),
    "all but one resource": ("policy-not-everything", "NotResource", (("aws:iam/policy:Policy", {"policy": json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "arn:aws:s3:::it"}})}),)),
    "all but one resource, in the role": (
        "policy-not-everything", "NotResource",
        (("aws:iam/role:Role", {"inlinePolicies": [{"name": "it", "policy": json.dumps({"Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "NotResource": ["arn:aws:s3:::it"]}]})}]}),),
    ),
    "all but one action": ("policy-not-everything", "NotAction", (("aws:iam/rolePolicy:RolePolicy", {"policy": json.dumps({"Statement": [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}]})}),)),
    "all but one object, for ours": (
        "policy-not-everything", "NotResource",
        (("aws:s3/bucketPolicy:BucketPolicy", {"policy": json.dumps({"Statement": [{"Effect": "Allow", "Principal": {"AWS": _OURS}, "Action": "s3:GetObject", "NotResource": "arn:aws:s3:::it/a"}]})}),),
    ),
    "everything, in the role": ("policy-not-everything", "Name actions", (("aws:iam/role:Role", {"inlinePolicies": [{"policy": _statement(Action="*", Resource="*")}]}),)),
    "all of a service, otherwise": ("policy-no-whole-service", "Name the actions", _may("s3:**", "arn:aws:s3:::ours")),
    "all keys, by a pattern": ("keys-not-all-decrypted", "keys' ARNs", _may("kms:Dec*")),
    # Databases
    "public database": ("database-not-public", "publicly_accessible", _simply(_INSTANCE, **{**_DATABASE, "publiclyAccessible": True})),
    "unencrypted database": ("database-encrypted", "storage_encrypted", _simply(_INSTANCE, **{**_DATABASE, "storageEncrypted": False})),
    "password of a database": ("no-password-in-program", "Secrets Manager", _simply(_INSTANCE, **{**_DATABASE, "password": "hunter2"})),
    "password that is not AWS's": ("database-iam-login", "manage_master_user_password", _simply(_INSTANCE, **{**_DATABASE, "manageMasterUserPassword": None})),
    "password of a cluster": ("no-password-in-program", "Secrets Manager", _simply("aws:rds/cluster:Cluster", masterPassword="hunter2")),
    "password of the warehouse": ("no-password-in-program", "Secrets Manager", _simply("aws:redshift/cluster:Cluster", masterPassword="hunter2")),
    "password of serverless": ("no-password-in-program", "Secrets Manager", _simply("aws:redshiftserverless/namespace:Namespace", adminUserPassword="hunter2")),
    "secret's text": ("no-password-in-program", "Secrets Manager", _simply("aws:secretsmanager/secretVersion:SecretVersion", secretString="hunter2")),
    "token of a cache": ("no-password-in-program", "Secrets Manager", _simply("aws:elasticache/replicationGroup:ReplicationGroup", authToken="hunter2hunter2")),
    "password of a broker": ("no-password-in-program", "Secrets Manager", _simply("aws:mq/broker:Broker", users=[{"username": "it", "password": "hunter2"}])),
    "secret in Kubernetes": ("secrets-in-secrets-manager", "role", _simply("kubernetes:core/v1:Secret", stringData={"a": "b"})),
    "secret in a ConfigMap": ("pods-no-credentials", "Secrets Manager", _simply("kubernetes:core/v1:ConfigMap", data={"PASSWORD": "hunter2"})),
    "secret in a parameter": ("secrets-in-secrets-manager", "Remove", _simply("aws:ssm/parameter:Parameter", type="String", value="hunter2")),
    # Accounts that are not ours
    "bucket for a foreign account": ("account-is-ours", "accounts", _lets_in("aws:s3/bucketPolicy:BucketPolicy", {"AWS": f"arn:aws:iam::{_FOREIGN}:root"})),
    "bucket for a foreign account's number": ("account-is-ours", "accounts", _lets_in("aws:s3/bucketPolicy:BucketPolicy", {"AWS": [_FOREIGN]})),
    "bucket for a canonical user": ("trust-names-an-account", "ARN", _lets_in("aws:s3/bucketPolicy:BucketPolicy", {"CanonicalUser": "79a59df900b949e5"})),
    "bucket for another's identities": ("trust-names-an-account", "ARN", _lets_in("aws:s3/bucketPolicy:BucketPolicy", {"Federated": "accounts.google.com"})),
    "queue": ("account-is-ours", "accounts", _lets_in("aws:sqs/queuePolicy:QueuePolicy", {"AWS": _STRANGER}, action="sqs:SendMessage")),
    "queue's own policy": ("account-is-ours", "accounts", _lets_in("aws:sqs/queue:Queue", {"AWS": _STRANGER}, action="sqs:SendMessage")),
    "topic": ("account-is-ours", "accounts", _lets_in("aws:sns/topicPolicy:TopicPolicy", {"AWS": _STRANGER}, action="sns:Publish")),
    "topic that tells the internet": ("topic-tells-ours", "email", _simply("aws:sns/topicSubscription:TopicSubscription", protocol="https", endpoint="https://it")),
    "database from a foreign account's snapshot": ("account-is-ours", "accounts", _simply("aws:rds/cluster:Cluster", snapshotIdentifier=f"arn:aws:rds:us-east-1:{_FOREIGN}:cluster-snapshot:it")),
    "topic that tells a foreign account": ("account-is-ours", "accounts", _simply("aws:sns/topicSubscription:TopicSubscription", protocol="sqs", endpoint=f"arn:aws:sqs:us-east-1:{_FOREIGN}:it")),
    "key": ("account-is-ours", "accounts", _lets_in("aws:kms/key:Key", {"AWS": _STRANGER}, action="kms:Decrypt")),
    "key by a grant": ("account-is-ours", "accounts", _simply("aws:kms/grant:Grant", granteePrincipal=_STRANGER)),
    "key's policy by itself": ("account-is-ours", "accounts", _lets_in("aws:kms/keyPolicy:KeyPolicy", {"AWS": _STRANGER}, action="kms:*")),
    "secret": ("account-is-ours", "accounts", _lets_in("aws:secretsmanager/secretPolicy:SecretPolicy", {"AWS": _STRANGER})),
    "secret's own policy": ("account-is-ours", "accounts", _lets_in("aws:secretsmanager/secret:Secret", {"AWS": _STRANGER})),
    "images": ("account-is-ours", "accounts", _lets_in("aws:ecr/repositoryPolicy:RepositoryPolicy", {"AWS": _STRANGER})),
    "every registry": ("account-is-ours", "accounts", _lets_in("aws:ecr/registryPolicy:RegistryPolicy", {"AWS": _STRANGER})),
    "stream": ("account-is-ours", "accounts", _lets_in("aws:kinesis/resourcePolicy:ResourcePolicy", {"AWS": _STRANGER})),
    "trust": ("account-is-ours", "accounts", _lets_in("aws:iam/role:Role", {"AWS": _STRANGER}, "assumeRolePolicy", "sts:AssumeRole")),
    "trust in an identity provider": ("trust-names-an-account", "ARN", _lets_in("aws:iam/role:Role", {"Federated": f"arn:aws:iam::{_OURS}:oidc-provider/it"}, "assumeRolePolicy", "sts:AssumeRoleWithWebIdentity")),
    "access point for everybody": ("resource-not-for-everybody", "principals", _lets_in("aws:s3/accessPoint:AccessPoint", "*")),
    "endpoint for everybody": ("resource-not-for-everybody", "principals", _lets_in("aws:ec2/vpcEndpoint:VpcEndpoint", "*")),
    "service for anybody": ("service-acts-for-us-alone", "SourceAccount", (("aws:sns/topicPolicy:TopicPolicy", {"policy": _statement(Principal={"Service": "s3.amazonaws.com"}, Action="sns:Publish", Resource="*", Condition={"StringLike": {"aws:SourceAccount": "*"}})}),)),
    "service for every bucket": ("service-acts-for-us-alone", "SourceAccount", _tells_topic("s3.amazonaws.com", "ArnLike", "aws:SourceArn", "arn:aws:s3:::*")),
    "service for buckets that begin so": ("service-acts-for-us-alone", "SourceAccount", _tells_topic("s3.amazonaws.com", "ArnLike", "aws:SourceArn", "arn:aws:s3:::rewards-*")),
    "service for every account's rules": ("service-acts-for-us-alone", "SourceAccount", _tells_topic("events.amazonaws.com", "ArnLike", "aws:SourceArn", "arn:aws:events:*:*:rule/*")),
    "service for one rule or any": ("service-acts-for-us-alone", "SourceAccount", _tells_topic("events.amazonaws.com", "ArnLike", "aws:SourceArn", [f"arn:aws:events:us-east-1:{_OURS}:rule/it", "arn:aws:events:*"])),
    "service for our account if it says so": ("service-acts-for-us-alone", "SourceAccount", _tells_topic("s3.amazonaws.com", "StringEqualsIfExists", "aws:SourceAccount", _OURS)),
    "service for accounts that begin so": ("service-acts-for-us-alone", "SourceAccount", _tells_topic("s3.amazonaws.com", "StringLike", "aws:SourceAccount", "1*")),
    "image of a foreign account": ("account-is-ours", "accounts", _pod("Deployment", {}, image=f"{_FOREIGN}.dkr.ecr.us-east-1.amazonaws.com/{_DIGEST}")),
    "provider that takes a foreign role": ("account-is-ours", "accounts", _simply("pulumi:providers:aws", region="us-east-1", assumeRoles=json.dumps([{"roleArn": _STRANGER}]))),
    "image whose findings nobody judges": ("pipeline-findings", "findings.yaml", _image_then(_stage(_ROLLOUT))),
    "image that nothing follows": ("pipeline-findings", "findings.yaml", _image_then()),
    "image that Inspector's own action scans": ("pipeline-findings", "findings.yaml", _image_then(_stage({"name": "Scan", "provider": "InspectorScan", "configuration": {"HighThreshold": "0"}}), _stage(_ROLLOUT))),
    "findings after the delivery": ("pipeline-findings", "findings.yaml", _image_then(_stage(_ROLLOUT), _stage(_build("Findings")))),
    "findings beside the delivery": ("pipeline-findings", "findings.yaml", _image_then(_stage(_build("Findings"), _ROLLOUT))),
    "findings after the delivery of one stage": ("pipeline-findings", "findings.yaml", _image_then(_stage(_build("Findings", order=2), _ROLLOUT))),
    "findings of another image": ("pipeline-findings", "findings.yaml", _image_then(_stage(_build("Findings", "Other.ECRImageDigestId")))),
    "findings by another buildspec": ("pipeline-findings", "findings.yaml", _image_then(_stage(_build("Findings", project="true")), project="true", buildspec="true")),
    "findings that a condition skips": ("pipeline-findings", "skipped", _image_then(_stage(_build("Findings"), beforeEntry={"condition": {"result": "SKIP"}}))),
    "findings that are skipped when they fail": ("pipeline-findings", "skipped", _image_then(_stage(_build("Findings"), onFailure={"result": "SKIP"}))),
    "Inspector without images": ("images-inspected", "ECR", _simply("aws:inspector2/enabler:Enabler", resourceTypes=["EC2"])),
    "build for everybody to see": ("build-private", "PRIVATE", _simply("aws:codebuild/project:Project", projectVisibility="PUBLIC_READ")),
    "sign-in without TLS": ("members-login", "sign-in", _simply("aws:cognito/userPoolClient:UserPoolClient", callbackUrls=["http://it"])),
    "sign-in that shows tokens": ("members-login", "sign-in", _simply("aws:cognito/userPoolClient:UserPoolClient", allowedOauthFlows=["implicit"])),
    # The cluster
    "foreign access entry": ("account-is-ours", "accounts", _simply(_ENTRY, principalArn=_STRANGER)),
    "foreign administrator": ("account-is-ours", "accounts", _simply(_ASSOCIATION, principalArn=_STRANGER, policyArn="arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy")),
    "undeclared administrator": ("cluster-access-declared", "administrators", _simply(_ASSOCIATION, principalArn=f"arn:aws:iam::{_OURS}:role/someone", policyArn="arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy")),
    "undeclared access entry": ("cluster-access-declared", "administrators", _simply(_ENTRY, principalArn=f"arn:aws:iam::{_OURS}:user/someone")),
    "administrator in the component": ("cluster-access-declared", "administrators", _simply("eks:index:Cluster", accessEntries={"it": {"principalArn": f"arn:aws:iam::{_OURS}:role/someone"}}, endpointPublicAccess=False)),
    "access entry of masters": ("cluster-access-declared", "administrators", _simply(_ENTRY, principalArn=f"arn:aws:iam::{_OURS}:role/it", kubernetesGroups=["system:masters"])),
    "foreign pod identity": ("account-is-ours", "accounts", _simply("aws:eks/podIdentityAssociation:PodIdentityAssociation", roleArn=_STRANGER)),
    "aws-auth": ("cluster-no-access-map", "AccessEntry", _simply("kubernetes:core/v1:ConfigMap", metadata={"name": "aws-auth", "namespace": "kube-system"}, data={"mapUsers": "[]"})),
    "aws-auth by a patch": ("cluster-no-access-map", "AccessEntry", _simply("kubernetes:core/v1:ConfigMapPatch", metadata={"name": "aws-auth"})),
    "open API in halves": ("cluster-api-not-open", "ranges", _simply("aws:eks/cluster:Cluster", vpcConfig={"endpointPublicAccess": True, "publicAccessCidrs": _HALVES})),
    "cluster-admin": ("cluster-bindings-narrow", "Role", _binds("ClusterRoleBinding", "cluster-admin")),
    "admin of a namespace": ("cluster-bindings-narrow", "Role", _binds("RoleBinding", "admin")),
    "edit": ("cluster-bindings-narrow", "Role", _binds("RoleBinding", "edit")),
    "a system role": ("cluster-bindings-narrow", "Role", _binds("ClusterRoleBinding", "system:kube-controller-manager")),
    "anonymous": ("cluster-bindings-narrow", "service account", _binds("ClusterRoleBinding", "view", "User", "system:anonymous")),
    "authenticated": ("cluster-bindings-narrow", "service account", _binds("ClusterRoleBinding", "view", "Group", "system:authenticated")),
    "masters": ("cluster-bindings-narrow", "service account", _binds("ClusterRoleBinding", "view", "Group", "system:masters")),
    "a group of people": ("cluster-bindings-narrow", "service account", _binds("RoleBinding", "view", "Group", "developers")),
    "a person": ("cluster-bindings-narrow", "service account", _binds("RoleBinding", "view", "User", "bob")),
    "cluster-admin beside a Role of its name": (
        "cluster-bindings-narrow", "Role",
        ((f"{_RBAC}Role", {"metadata": {"name": "cluster-admin", "namespace": "rewards"}, "rules": []}), *_binds("RoleBinding", "cluster-admin")),
    ),
    "admin beside a ClusterRole of its name": (
        "cluster-bindings-narrow", "Role",
        ((f"{_RBAC}ClusterRole", {"metadata": {"name": "admin"}, "rules": []}), *_binds("RoleBinding", "admin")),
    ),
    "every verb": ("cluster-roles-narrow", "verbs", _role("Role", verbs=["*"])),
    "every resource": ("cluster-roles-narrow", "resources", _role("ClusterRole", resources=["*"])),
    "escalate": ("cluster-roles-narrow", "escalate", _role("ClusterRole", verbs=["escalate"])),
    "impersonate": ("cluster-roles-narrow", "impersonate", _role("Role", verbs=["impersonate"])),
    "cluster's secrets": ("cluster-roles-narrow", "secrets", _role("Role", resources=["secrets"])),
    "shell in a pod": ("cluster-roles-narrow", "pods/exec", _role("Role", resources=["pods/exec"], verbs=["create"])),
    "gathered rights": ("cluster-roles-narrow", "Name verbs", _simply(f"{_RBAC}ClusterRole", aggregationRule={"clusterRoleSelectors": [{}]})),
    "privileged namespace": ("namespace-restricted", "restricted", _simply("kubernetes:core/v1:Namespace", metadata={"labels": {"pod-security.kubernetes.io/enforce": "privileged"}})),
    "baseline namespace": ("namespace-restricted", "restricted", _simply("kubernetes:core/v1:Namespace", metadata={"labels": {"pod-security.kubernetes.io/enforce": "baseline"}})),
    "namespace without a label": ("namespace-restricted", "restricted", _simply("kubernetes:core/v1:Namespace", metadata={"name": "it"})),
    "namespace opened by a patch": ("namespace-restricted", "restricted", _simply("kubernetes:core/v1:NamespacePatch", metadata={"labels": {"pod-security.kubernetes.io/enforce": "privileged"}})),
    "webhook outside": ("webhooks-inside", "service", _simply("kubernetes:admissionregistration.k8s.io/v1:MutatingWebhookConfiguration", webhooks=[{"name": "it", "clientConfig": {"url": "https://it"}}])),
    "second webhook outside": ("webhooks-inside", "service", _simply("kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration", webhooks=[{"name": "in", "clientConfig": {"service": {"name": "it"}}}, {"name": "it", "clientConfig": {"url": "https://it"}}])),
    # What reaches pods
    "all in": ("network-policy-narrow", "peers", _network(policyTypes=["Ingress"], ingress=[{}])),
    "all out": ("network-policy-narrow", "peers", _network(policyTypes=["Egress"], egress=[{}])),
    "everybody's range": ("network-policy-narrow", "ranges", _network(ingress=[{"ports": [{"port": 8000}], "from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}])),
    "everybody in halves": ("network-policy-narrow", "ranges", _network(ingress=[{"ports": [{"port": 8000}], "from": [{"ipBlock": {"cidr": it}} for it in _HALVES]}])),
    "everybody but one": ("network-policy-narrow", "ranges", _network(ingress=[{"ports": [{"port": 8000}], "from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}])),
    "every namespace": ("network-policy-narrow", "peers", _network(ingress=[{"ports": [{"port": 8000}], "from": [{"namespaceSelector": {}}]}])),
    "all but nothing": ("network-policy-narrow", "peers", _network(ingress=[{"ports": [{"port": 8000}], "from": [{"podSelector": {"matchExpressions": [{"key": "nobody", "operator": "DoesNotExist"}]}}]}])),
    "every port": ("network-policy-narrow", "ports", _network(ingress=[{"ports": [{"port": 1, "endPort": 65535}], "from": [{"ipBlock": {"cidr": "10.0.0.0/16"}}]}])),
    "out to everybody": ("network-policy-narrow", "ports", _network(egress=[{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}])),
    # Pods
    "node's path in a Deployment": ("pods-volumes", "emptyDir", _node_path("Deployment")),
    "node's path in a CronJob": ("pods-volumes", "emptyDir", _node_path("CronJob")),
    "node's path in a Job": ("pods-volumes", "emptyDir", _node_path("Job")),
    "node's path in a Pod": ("pods-volumes", "emptyDir", _node_path("Pod")),
    "node's path in a DaemonSet": ("pods-volumes", "emptyDir", _node_path("DaemonSet")),
    "node's path in a ReplicaSet": ("pods-volumes", "emptyDir", _node_path("ReplicaSet")),
    "node's path in a StatefulSet": ("pods-volumes", "emptyDir", _node_path("StatefulSet")),
    "somebody's disk": ("pods-volumes", "emptyDir", _node_path("Deployment", nfs={"server": "it", "path": "/"})),
    "disk of a node's path": ("pods-volumes", "CSI", _simply("kubernetes:core/v1:PersistentVolume", spec={"hostPath": {"path": "/"}})),
    "token in a volume": ("pods-token-not-mounted", "automountServiceAccountToken", _pod("Job", {"volumes": [{"name": "it", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}]})),
    "group 0": ("pods-not-root", "runAsGroup 0", _root("Deployment", "containers", runAsGroup=0)),
    "container as user 0": ("pods-not-root", "runAsUser 0", _root("Deployment", "containers", runAsUser=0)),
    "init container as user 0": ("pods-not-root", "runAsUser 0", _root("Job", "initContainers", runAsUser=0)),
    "ephemeral container as user 0": ("pods-not-root", "runAsUser 0", _root("Pod", "ephemeralContainers", runAsUser=0)),
    "pod as user 0": ("pods-not-root", "runAsUser 0", _pod("StatefulSet", {"securityContext": {"runAsNonRoot": True, "runAsUser": 0}})),
    "host network": ("pods-not-privileged", "hostNetwork", _pod("ReplicaSet", {"hostNetwork": True})),
    "host processes": ("pods-not-privileged", "host", _pod("Pod", {"hostPID": True})),
    "host port": ("pods-not-privileged", "hostPort", _pod("DaemonSet", {}, ports=[{"containerPort": 80, "hostPort": 80}])),
    "container's own system calls": ("pods-not-privileged", "seccompProfile", _root("Deployment", "containers", seccompProfile={"type": "Unconfined"})),
    "SELinux of the node": ("pods-not-privileged", "seLinuxOptions", _pod("Deployment", {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}, "seLinuxOptions": {"type": "spc_t"}}})),
    "container's SELinux of the node": ("pods-not-privileged", "seLinuxOptions", _root("Job", "initContainers", seLinuxOptions={"type": "spc_t"})),
    "SELinux role": ("pods-not-privileged", "seLinuxOptions", _root("Pod", "containers", seLinuxOptions={"role": "sysadm_r"})),
    "probe of another host": ("pods-not-privileged", "probe", _pod("Deployment", {}, livenessProbe={"httpGet": {"host": "169.254.169.254", "port": 80}})),
    "kernel settings": ("pods-not-privileged", "privileged", _pod("Pod", {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}})),
    "added capability": ("pods-no-capabilities", "add none", _root("Deployment", "containers", capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]})),
    "privileged ephemeral container": ("pods-not-privileged", "privileged", _root("Pod", "ephemeralContainers", privileged=True)),
    # Ranges
    "halves that are too wide together": ("ingress-from-anywhere", "narrower", _in(*_HALVES)),
    "quarters that are too wide together": ("ingress-from-anywhere", "narrower", _in("12.0.0.0/9", "12.128.0.0/9", "13.0.0.0/9", "13.128.0.0/9")),
    "IPv6 halves that are too wide together": ("ingress-from-anywhere", "narrower", _in("2600::/32", "2600:1::/32")),
    "all that is public in IPv6": ("ingress-from-anywhere", "narrower", _in("2000::/3")),
    "half of everybody": ("ingress-from-anywhere", "narrower", _in("128.0.0.0/1")),
    "everybody in pieces": ("ingress-from-anywhere", "narrower", _in(*(f"{16 * part}.{16 * piece}.0.0/12" for part in range(1, 14) for piece in (0, 1)))),
    "halves in one rule": ("ingress-from-anywhere", "narrower", _simply(_RULE, type="ingress", protocol="tcp", fromPort=5432, toPort=5432, cidrBlocks=_HALVES)),
    "halves in a group": ("ingress-from-anywhere", "narrower", _simply(_GROUP, ingress=[{"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": [it]} for it in _HALVES])),
    "prefix list": ("ingress-from-anywhere", "narrower", _simply("aws:ec2/managedPrefixList:ManagedPrefixList", entries=[{"cidr": it} for it in _HALVES])),
    "rule for somebody's prefix list": ("ingress-from-anywhere", "narrower", _simply(_INGRESS, securityGroupId="sg-list", ipProtocol="-1", prefixListId="pl-3b927c52")),
    "older rule for somebody's prefix list": ("ingress-from-anywhere", "narrower", _simply(_RULE, type="ingress", protocol="tcp", fromPort=22, toPort=22, prefixListIds=["pl-3b927c52"])),
    "group for somebody's prefix list": ("ingress-from-anywhere", "narrower", _simply(_GROUP, ingress=[{"protocol": "-1", "fromPort": 0, "toPort": 0, "prefixListIds": ["pl-3b927c52"]}])),
    "ACL in halves": ("network-acl-admin-ports", "Deny 22", _simply(_ACL, ingress=[{"action": "allow", "protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlock": it, "ruleNo": place} for place, it in enumerate(_HALVES)])),
    "ACL's rule by itself": ("network-acl-admin-ports", "Deny 22", _simply("aws:ec2/networkAclRule:NetworkAclRule", ruleAction="allow", protocol="-1", cidrBlock="0.0.0.0/0", ruleNumber=1, egress=False)),
    # Types that nobody listed
    "table": ("type-is-judged", "types.toml", _simply("aws:dynamodb/table:Table")),
    "search": ("type-is-judged", "types.toml", _simply("aws:opensearch/domain:Domain")),
    "custom object": ("type-is-judged", "types.toml", _simply("kubernetes:example.com/v1:Thing")),
    "another provider": ("type-is-judged", "types.toml", _simply("random:index/randomPassword:RandomPassword")),
    "component of others": ("type-is-judged", "types.toml", _simply("awsx:ec2:Vpc")),
}  # fmt: skip
