"""Lets moto refuse the calls of builds that the policies of their role don't allow.

The policies are those that the stand-in providers were given. moto's own enforcement is not used, for three reasons: it
judges every call as one on resource `*`, except calls of S3; it refuses callers that are not users or roles in moto;
and it refuses S3 signatures of Pulumi's engine. Here the resources of calls to KMS and Parameter Store are known too,
callers other than builds may do everything, and signatures are not checked. Permissions boundaries and condition keys
are ignored.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import AccessDeniedError
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.exceptions import S3AccessDeniedError

from stacks.offline.recording import ACCOUNT
from tests.engine import providers

_ROLE, _POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
_KEY_ID_BYTES = 36
"""moto's ciphertexts begin with their key's id."""


@dataclass
class Judge:
    """Decides which calls a build's role may make; `refused` lists the refused ones, as `action on resource`."""

    world: providers.World
    cloud: Callable[[str], Any]
    refused: list[str] = field(default_factory=list)
    _policies: dict[str, list[str]] = field(default_factory=dict)

    def assume(self, role: str) -> dict[str, str]:
        """Return environment variables with credentials of a role. Raises AssertionError if there is no such role."""
        policies = policies_of(self.world, role)
        arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
        keys = self.cloud("sts").assume_role(RoleArn=arn, RoleSessionName="build")["Credentials"]
        self._policies[keys["AccessKeyId"]] = policies
        return {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        }

    def allows(self, call: ActionAuthenticatorMixin, resource: str) -> bool:
        request: Any = call
        scope = re.search(r"Credential=([^/]+)/[^/]+/([^/]+)/([^/]+)/", request.headers.get("Authorization", ""))
        if scope is None or scope[1] not in self._policies:
            return True
        action = f"{scope[3]}:{request._get_action()}"
        if action == "sts:GetCallerIdentity":  # IAM lets everybody
            return True
        if scope[3] in ("kms", "ssm"):
            resource = _arn(scope[3], scope[2], json.loads(request.body))
        results = [IAMPolicy(policy).is_action_permitted(action, resource) for policy in self._policies[scope[1]]]
        if PermissionResult.DENIED not in results and PermissionResult.PERMITTED in results:
            return True
        self.refused.append(f"{action} on {resource}")
        return False


def policies_of(world: providers.World, role: str) -> list[str]:
    """Return a role's inline policies, without AWS's managed ones. Raises AssertionError if there are none."""
    roles = [urn for urn, inputs in world.made.items() if f"{_ROLE}::" in urn and inputs.get("name") == role]
    assert roles, f"there is no role {role}"
    beside = {urn.replace(f"{_ROLE}::", f"{_POLICY}::") for urn in roles}  # as `cloud.iam.role` makes them
    policies = [world.made[urn]["policy"] for urn in beside if urn in world.made]
    assert policies, f"the role {role} has no policy"
    return policies


def _arn(service: str, region: str, request: Mapping[str, Any]) -> str:
    if service == "ssm":
        return f"arn:aws:ssm:{region}:{ACCOUNT}:parameter{request.get('Path') or request['Name']}"
    ciphertext = base64.b64decode(request.get("CiphertextBlob", ""))
    key: str = request.get("KeyId") or ciphertext[:_KEY_ID_BYTES].decode()
    return key if key.startswith("arn:") else f"arn:aws:kms:{region}:{ACCOUNT}:key/{key}"


@contextmanager
def judging(world: providers.World, cloud: Callable[[str], Any]) -> Iterator[Judge]:
    """Yield a Judge that decides about every call to moto while the `with` block runs."""
    judge = Judge(world, cloud)

    def authorize(self: ActionAuthenticatorMixin, request_class: type, resource: str = "*") -> None:
        if not judge.allows(self, resource):
            if request_class.__name__.startswith("S3"):
                raise S3AccessDeniedError
            raise AccessDeniedError(user_arn="the build's role", action=judge.refused[-1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ActionAuthenticatorMixin, "_authenticate_and_authorize_action", authorize)
        yield judge
