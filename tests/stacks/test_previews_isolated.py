"""Tests that a preview can read nothing of its host environment, whatever policies a pull request gives its roles."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import boto3
import pytest

from app.hosting import namespaces
from app.processes import CARING
from pipelines import preview, preview_pipelines
from policies.rules.actions import expanded
from stacks import admission
from stacks.offline.recording import Graph, Resource
from tests.stacks import judged
from tests.stacks.graphs import graph_of, preview_on_dev
from tests.stacks.judged import ACCOUNT, REGION, refused

OWN = "apps.pr-123"


def boundary() -> str:
    """Return the JSON text of previews' permissions boundary."""
    text: str = graph_of("dev").named("aws:iam/policy:Policy", "preview").inputs["policy"]
    return text


def of_host(token: str) -> list[Resource]:
    return [resource for resource in graph_of("dev").of(token) if resource.stack.endswith(".dev")]


@pytest.fixture
def account() -> Iterator[None]:
    with judged.account():
        yield


def test_each_of_the_hosts_secrets_is_refused_and_the_previews_own_is_not(account: None) -> None:
    secrets = boto3.client("secretsmanager")
    aws_own = ["rds!cluster-admin", "redshift!admin"]
    names = [*aws_own, *(secret.name for secret in of_host("aws:secretsmanager/secret:Secret"))]
    theirs = [secrets.create_secret(Name=name, SecretString="{}")["ARN"] for name in names]
    own = secrets.create_secret(Name="rewards-pr-123-vendor-tokens-1a2b3c4", SecretString="{}")["ARN"]
    assert len(theirs) >= 3
    with judged.role(boundary()) as client:
        tried = client("secretsmanager")
        assert not refused(tried.get_secret_value, SecretId=own)
        assert not refused(tried.put_secret_value, SecretId=own, SecretString="{}")
        for arn in theirs:
            assert refused(tried.get_secret_value, SecretId=arn)
            assert refused(tried.put_secret_value, SecretId=arn, SecretString="{}")
        assert refused(tried.delete_secret, SecretId=own)


def test_each_of_the_hosts_keys_is_refused_and_previews_own_are_not(account: None) -> None:
    kms, document = boto3.client("kms"), boundary()
    keys: dict[str, str] = {}
    for key in of_host("aws:kms/key:Key"):
        arn = kms.create_key()["KeyMetadata"]["Arn"]
        keys[key.name] = arn
        recorded = f"arn:aws:kms:{REGION}:{ACCOUNT}:{key.name}-"
        document = _replaced(document, recorded, arn)
    texts = {name: kms.encrypt(KeyId=arn, Plaintext=b"it")["CiphertextBlob"] for name, arn in keys.items()}
    own = {"keys-previews", "keys-previews-signing"}
    assert own < set(keys)
    assert {"keys-data", "keys-logs", "keys-signing"} <= set(keys) - own
    with judged.role(document) as client:
        tried = client("kms")
        for name, arn in keys.items():
            ours = name in own
            assert refused(tried.decrypt, KeyId=arn, CiphertextBlob=texts[name]) is not ours, name
            assert refused(tried.generate_data_key, KeyId=arn, KeySpec="AES_256") is not ours, name
            signing = {"Message": b"it", "SigningAlgorithm": "ECDSA_SHA_256"}
            assert refused(tried.sign, KeyId=arn, **signing) is not ours, name


def _replaced(document: str, recorded: str, arn: str) -> str:
    """Return a policy in which `arn` replaces the resource that is named by `recorded`, a made-up ARN, plus a hash."""
    policy = json.loads(document)
    for statement in policy["Statement"]:
        statement["Resource"] = [
            arn if name.startswith(recorded) and "-" not in name[len(recorded) :] else name
            for name in statement["Resource"]
        ]
    return json.dumps(policy)


def test_each_of_the_hosts_streams_is_refused_and_the_previews_own_is_not(account: None) -> None:
    kinesis = boto3.client("kinesis")
    theirs = [f"{stream.name}-1a2b3c4" for stream in of_host("aws:kinesis/stream:Stream")]
    own = "rewards-pr-123-journal-1a2b3c4"
    for name in (*theirs, own):
        kinesis.create_stream(StreamName=name, ShardCount=1)
    assert theirs
    with judged.role(boundary()) as client:
        tried, first = client("kinesis"), {"ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
        record = [{"Data": b"it", "PartitionKey": "it"}]
        for name in (*theirs, own):
            theirs_refused = name != own
            assert refused(tried.get_shard_iterator, StreamName=name, **first) is theirs_refused
            assert refused(tried.put_records, StreamName=name, Records=record) is theirs_refused
        assert refused(tried.delete_stream, StreamName=own)


def test_each_of_the_hosts_buckets_is_refused_and_previews_own_is_not(account: None) -> None:
    s3 = boto3.client("s3")
    buckets = {bucket.name: f"{bucket.inputs['bucketPrefix']}1a2b" for bucket in of_host("aws:s3/bucket:Bucket")}
    buckets |= {"state": "rewards-dev-state"}
    for name in buckets.values():
        s3.create_bucket(Bucket=name)
        s3.put_object(Bucket=name, Key="pr-123/exports/it", Body=b"it")
    assert {"archive", "feeds", "staging", "state", "previews"} <= set(buckets)
    with judged.role(boundary()) as client:
        tried = client("s3")
        for name, bucket in buckets.items():
            ours = name == "previews"
            assert refused(tried.get_object, Bucket=bucket, Key="pr-123/exports/it") is not ours, name
            assert refused(tried.put_object, Bucket=bucket, Key="pr-123/digests/it", Body=b"") is not ours, name
            assert refused(tried.list_objects_v2, Bucket=bucket) is not ours, name
            assert refused(tried.delete_object, Bucket=bucket, Key="pr-123/exports/it"), name


def test_a_preview_locks_no_object_for_longer_than_its_bucket_does() -> None:
    """Nobody can delete a locked object, and S3 allows locks of a hundred years."""
    own = "arn:aws:s3:::rewards-dev-previews-1a2b/it"
    assert not [
        name for name in ("BypassGovernanceRetention", "PutObjectLegalHold") if allows(boundary(), f"s3:{name}", own)
    ]
    locking = {"s3:PutObject", "s3:PutObjectRetention"}
    (writing,) = [each for each in json.loads(boundary())["Statement"] if locking & {*each["Action"]}]
    longest = writing["Condition"]["NumericLessThanEqualsIfExists"]["s3:object-lock-remaining-retention-days"]
    lock = graph_of("dev").named("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration", "previews")
    assert lock.inputs["rule"]["defaultRetention"]["days"] == int(longest)


def test_each_of_the_hosts_queues_is_refused(account: None) -> None:
    sqs = boto3.client("sqs")
    theirs = [f"{queue.name}-1a2b3c4" for queue in of_host("aws:sqs/queue:Queue")]
    own = "rewards-pr-123-nightly-rewards-failed-1a2b3c4"
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in (*theirs, own)}
    with judged.role(boundary()) as client:
        tried = client("sqs")
        sent = {name for name, url in urls.items() if not refused(tried.send_message, QueueUrl=url, MessageBody="it")}
        received = {name for name, url in urls.items() if not refused(tried.receive_message, QueueUrl=url)}
    assert theirs
    assert (sent, received) == ({own}, set())


def test_a_previews_role_changes_no_role_and_takes_no_other(account: None) -> None:
    theirs = boto3.client("iam").create_role(RoleName="orders", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    with judged.role(boundary()) as client:
        assert refused(client("iam").put_role_policy, RoleName="tried", PolicyName="more", PolicyDocument="{}")
        assert refused(client("iam").create_user, UserName="mine")
        assert refused(client("sts").assume_role, RoleArn=theirs, RoleSessionName="mine")


def allows(document: str, action: str, resource: str) -> bool:
    return any(
        statement["Effect"] == "Allow"
        and any(fnmatchcase(action, pattern) for pattern in statement["Action"])
        and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
        for statement in json.loads(document)["Statement"]
    )


def own(graph: Graph, token: str) -> list[Resource]:
    return [resource for resource in graph.of(token) if resource.stack == OWN]


def test_what_a_previews_processes_need_passes_the_boundary() -> None:
    """Every permission of a preview's roles is within the boundary: outside it, processes would start and then fail."""
    made_up, real = graph_of("dev").exports["data.dev"]["previewsBucketArn"], "arn:aws:s3:::rewards-dev-previews-1a2b"
    outside = {
        (policy.name, action, resource)
        for policy in own(preview_on_dev(), "aws:iam/rolePolicy:RolePolicy")
        for statement in json.loads(policy.inputs["policy"].replace(made_up, real))["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
        if not allows(boundary(), action, resource)
    }
    assert not outside


def test_every_role_of_a_preview_gets_the_name_that_its_builds_may_pass_on() -> None:
    roles = own(preview_on_dev(), "aws:iam/role:Role")
    assert roles
    assert {role.inputs.get("name") for role in roles} == {None}, "Pulumi names it by the pattern"
    assert preview.naming("123").startswith("rewards-pr-123-")
    assert not [role for role in of_host("aws:iam/role:Role") if str(role.inputs.get("name")).startswith("rewards-pr-")]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    else:
        yield str(value)


def test_a_preview_names_no_secret_key_stream_or_archive_of_its_host() -> None:
    """Checks that our program passes none of these names to a preview; a pull request could change the program."""
    base, data = (graph_of("dev").exports[stack] for stack in ("base.dev", "data.dev"))
    secret = {
        *(base[name] for name in ("dataKeyArn", "logsKeyArn", "clusterKeyArn", "signingKeyArn", "issuer", "clientId")),
        *(data[name] for name in ("ledgerSecretArn", "signingSecretArn", "warehouseSecretArn", "streamName")),
        *(data[name] for name in ("streamArn", "archiveBucket", "feedsBucket", "stagingBucket")),
    }
    texts = [
        (resource.urn, text)
        for resource in preview_on_dev().resources
        if resource.stack == OWN
        for text in _texts(dict(resource.inputs))
    ]
    assert texts
    assert [(urn, name) for urn, text in texts for name in secret if name in text] == []


def build() -> str:
    """Return the JSON text of the policy of the builds that run pull requests' code."""
    text: str = graph_of("dev").named("aws:iam/rolePolicy:RolePolicy", "preview-up").inputs["policy"]
    return text


def test_a_pull_requests_build_reads_and_changes_nothing_of_the_host(account: None) -> None:
    s3, secrets, kinesis = boto3.client("s3"), boto3.client("secretsmanager"), boto3.client("kinesis")
    s3.create_bucket(Bucket="rewards-dev-state")
    for folder in ("", "previews/"):
        s3.put_object(Bucket="rewards-dev-state", Key=f"{folder}.pulumi/stacks/rewards/it.json", Body=b"")
    secret = secrets.create_secret(Name="rds!cluster-admin", SecretString="{}")["ARN"]
    for name in ("journal-1a2b3c4", "rewards-pr-123-journal-1a2b3c4"):
        kinesis.create_stream(StreamName=name, ShardCount=1)
    boto3.client("iam").create_role(RoleName="orders", AssumeRolePolicyDocument="{}")
    with judged.role(build()) as client:
        state = {"Bucket": "rewards-dev-state", "Key": "previews/.pulumi/stacks/rewards/it.json"}
        assert not refused(client("s3").get_object, **state)
        assert not refused(client("s3").put_object, **state)
        state["Key"] = ".pulumi/stacks/rewards/it.json"
        for call in (client("s3").get_object, client("s3").put_object, client("s3").delete_object):
            assert refused(call, **state)
        assert refused(client("secretsmanager").get_secret_value, SecretId=secret)
        assert refused(client("kinesis").delete_stream, StreamName="journal-1a2b3c4")
        assert not refused(client("kinesis").delete_stream, StreamName="rewards-pr-123-journal-1a2b3c4")
        more = {"RoleName": "orders", "PolicyName": "more", "PolicyDocument": "{}"}
        assert refused(client("iam").put_role_policy, **more)
        assert refused(client("iam").create_role, RoleName="mine", AssumeRolePolicyDocument="{}")


# What a request on something of dev's tells IAM; the last is what an attacker would write.
OF_HOST = {
    "aws:ResourceTag/environment": "dev",
    "lambda:FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:rewards-dev-vendor-feed",
    "aws:RequestTag/environment": "pr-123",
}


def _changes(resource: str, *statements: dict[str, Any]) -> set[str]:
    """Return the actions by which callers with these IAM statements could change or use a resource of the host."""
    return {
        action.name
        for statement in statements
        if statement["Effect"] == "Allow" and judged.holds(statement.get("Condition", {}), OF_HOST, absent=True)
        if any(pattern != "*" and fnmatchcase(resource, pattern) for pattern in statement["Resource"])
        for pattern in statement["Action"]
        for action in expanded(pattern)
        if action.service == resource.split(":")[2] and not action.only_looks
    }


@pytest.mark.parametrize("name", ["preview-up", "preview-down", "preview-expired"])
def test_a_pull_requests_build_changes_nothing_of_the_host_but_adds_rules_to_its_listener(name: str) -> None:
    dev = graph_of("dev")
    document = dev.named("aws:iam/rolePolicy:RolePolicy", name).inputs["policy"]
    functions = [function.inputs["name"] for function in of_host("aws:lambda/function:Function")]
    resources = {
        "elasticloadbalancing": ["listener/app/edge/1/2", "listener-rule/app/edge/1/2/3", "targetgroup/orders/1"],
        "lambda": [*(f"function:{name}" for name in functions), "event-source-mapping:1"],
        "cognito-idp": ["userpool/us-east-1_1"],
        "eks": ["podidentityassociation/rewards-dev/a-1", "cluster/rewards-dev", "access-entry/rewards-dev/role/1/x/1"],
        "kinesis": [f"stream/{stream.name}-1a2b3c4" for stream in of_host("aws:kinesis/stream:Stream")],
        "sqs": ["nightly-rewards-failed-1a2b3c4"],
        "logs": ["log-group:/aws/lambda/rewards-dev-vendor-feed"],
        "cloudwatch": ["alarm:rewards-dev-vendor-feed-errors", "dashboard/rewards-dev"],
        "scheduler": ["schedule/default/nightly-rewards-1a2b3c4"],
        "budgets": ["budget/rewards-dev"],
        "secretsmanager": ["secret:vendor-tokens-1a2b3c4", "secret:rds!cluster-admin"],
        "ssm": ["parameter/rewards/delivered/rewards/image", "parameter/rewards/previews/base"],
        "rds-db": [f"dbuser:{dev.exports['data.dev']['ledgerResourceId']}/rewards_services"],
    }
    changed = {
        (resource, action)
        for service, names in resources.items()
        for resource in names
        for action in _changes(f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}", *json.loads(document)["Statement"])
    }
    assert changed == {
        ("listener/app/edge/1/2", "elasticloadbalancing:CreateRule"),
        ("function:rewards-dev-preview-place", "lambda:InvokeFunction"),
        ("cluster/rewards-dev", "eks:CreatePodIdentityAssociation"),
    }


def test_a_pull_requests_build_changes_what_is_its_own() -> None:
    for action in ("GetFunction", "UpdateFunctionCode", "UpdateFunctionConfiguration", "UpdateAlias"):
        function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:rewards-pr-123-it"
        assert f"lambda:{action}" in _changes(function, *json.loads(build())["Statement"])


def test_only_the_build_that_seeds_logs_in_to_a_database_and_to_previews_alone() -> None:
    dev = graph_of("dev")
    logins = {
        policy.name: statement["Resource"]
        for policy in dev.of("aws:iam/rolePolicy:RolePolicy")
        if policy.name.startswith("preview-") and policy.layer == "delivery"
        for statement in json.loads(policy.inputs["policy"])["Statement"]
        if "rds-db:connect" in statement["Action"]
    }
    server = dev.exports["data.dev"]["ledgerResourceId"]
    assert logins == {"preview-up": [f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:{server}/pr_*"]}


def test_a_pull_requests_build_is_let_into_previews_namespaces_and_is_no_administrator() -> None:
    dev = graph_of("dev")
    for name in ("preview-up", "preview-down", "preview-expired"):
        entry = dev.named("aws:eks/accessEntry:AccessEntry", name)
        assert entry.inputs["kubernetesGroups"] == [namespaces.BUILDS] == [preview_pipelines.KUBERNETES_GROUP]
        assert name not in {policy.name for policy in dev.of("aws:eks/accessPolicyAssociation:AccessPolicyAssociation")}
    bound = dev.of("kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding")
    assert {subject["name"] for each in bound for subject in each.inputs["subjects"]} == {admission.PLACES, CARING}
    rules = {role.name: role.inputs["rules"] for role in dev.of("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole")}
    kinds = {
        (group, kind) for rule in rules[namespaces.ROLE] for group in rule["apiGroups"] for kind in rule["resources"]
    }
    assert not kinds & {("", "namespaces"), ("", "secrets"), ("rbac.authorization.k8s.io", "rolebindings"), ("*", "*")}


def test_builds_may_make_each_kind_of_object_that_a_previews_stack_makes() -> None:
    dev = graph_of("dev")
    role = dev.named("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole", namespaces.ROLE)
    may = {
        (group, kind)
        for rule in role.inputs["rules"]
        if "create" in rule["verbs"]
        for group in rule["apiGroups"]
        for kind in rule["resources"]
    }
    tokens = [resource.token for resource in preview_on_dev().resources if resource.stack == OWN]
    kinds = set()
    for token in tokens:
        if token.startswith("kubernetes:"):
            group, _, kind = re.fullmatch(r"kubernetes:([^/]*)/(\w+):(\w+)", token).groups()  # type: ignore[union-attr]  # each token is of this form
            plural = re.sub("ys$", "ies", f"{kind.lower()}s")
            kinds.add(("" if group == "core" else group, plural))
    assert kinds == may
