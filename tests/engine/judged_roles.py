"""Lets moto refuse the calls of builds that the policies of their role don't allow.

The policies are those that the stand-in providers were given. moto's own enforcement is not used, for three reasons: it
judges every call as one on resource `*`, except calls of S3; it refuses callers that are not users or roles in moto;
and it refuses S3 signatures of Pulumi's engine. Here the resources of KMS, Lambda and Parameter Store are known
too, callers other than builds may do everything, and signatures are not checked. Permissions boundaries and condition
keys are ignored.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote

import pytest
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import AccessDeniedError
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.exceptions import S3AccessDeniedError

from stacks.offline.recording import ACCOUNT
from tests.engine import providers

_ROLE, _POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
_ALIAS, _KEY = "aws:kms/alias:Alias", "aws:kms/key:Key"  # `cloud.keys` gives a key and its alias the same name
_KEY_ID_BYTES = 36
"""moto's ciphertexts begin with their key's id."""
_PREFIXES = {"monitoring": "cloudwatch"}
"""What IAM calls a service, where requests are signed for another name."""


@dataclass
class Judge:
    """Decides which calls a build's role may make; `allowed` and `refused` list them, as `action on resource`."""

    world: providers.World
    cloud: Callable[[str], Any]
    allowed: list[str] = field(default_factory=list)
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
        service, region = _PREFIXES.get(scope[3], scope[3]), scope[2]
        action = f"{service}:{request._get_action()}"
        if action == "sts:GetCallerIdentity":  # IAM lets everybody
            return True
        if service in ("kms", "ssm"):
            resource = self._arn(service, region, json.loads(request.body))
        elif service == "lambda":
            resource = _function(region, request.raw_path)
        results = [IAMPolicy(policy).is_action_permitted(action, resource) for policy in self._policies[scope[1]]]
        is_allowed = PermissionResult.DENIED not in results and PermissionResult.PERMITTED in results
        (self.allowed if is_allowed else self.refused).append(f"{action} on {resource}")
        return is_allowed

    def _arn(self, service: str, region: str, request: Mapping[str, Any]) -> str:
        if service == "ssm":
            return f"arn:aws:ssm:{region}:{ACCOUNT}:parameter{request.get('Path') or request['Name']}"
        ciphertext = base64.b64decode(request.get("CiphertextBlob", ""))
        key: str = request.get("KeyId") or ciphertext[:_KEY_ID_BYTES].decode()
        return self._keys().get(key) or (key if key.startswith("arn:") else f"arn:aws:kms:{region}:{ACCOUNT}:key/{key}")

    def _keys(self) -> dict[str, str]:
        """Return the world's key ARN of each alias, by the alias's name and by the id of moto's key for it.

        AWS judges a call by its key's ARN, whatever alias it names. moto has none of the keys that the world has.
        """
        aliases = {urn: inputs["name"] for urn, inputs in self.world.made.items() if f"{_ALIAS}::" in urn}
        arns = {name: self.world.outputs(urn.replace(_ALIAS, _KEY))["arn"] for urn, name in aliases.items()}
        of_moto = {each["AliasName"]: each.get("TargetKeyId", "") for each in self._kms.list_aliases()["Aliases"]}
        return arns | {of_moto[name]: arn for name, arn in arns.items() if name in of_moto}

    @cached_property
    def _kms(self) -> Any:
        return self.cloud("kms")


def policies_of(world: providers.World, role: str) -> list[str]:
    """Return a role's inline policies, without AWS's managed ones. Raises AssertionError if there are none."""
    roles = [urn for urn, inputs in world.made.items() if f"{_ROLE}::" in urn and inputs.get("name") == role]
    assert roles, f"there is no role {role}"
    beside = {urn.replace(f"{_ROLE}::", f"{_POLICY}::") for urn in roles}  # as `cloud.iam.role` makes them
    policies = [world.made[urn]["policy"] for urn in beside if urn in world.made]
    assert policies, f"the role {role} has no policy"
    return policies


def named(world: providers.World, arn: str) -> str:
    """Return the name of the role with an ARN. Raises AssertionError if there is none."""
    for urn, inputs in world.made.items():
        if f"{_ROLE}::" in urn and world.outputs(urn)["arn"] == arn:
            return str(inputs["name"])
    raise AssertionError(f"there is no role {arn}")


def _function(region: str, path: str) -> str:
    """Return the ARN of the function that a request's path names, `*` if it names none."""
    named = re.match(r"/2015-03-31/functions/([^/?]+)", path)
    return f"arn:aws:lambda:{region}:{ACCOUNT}:function:{unquote(named[1])}" if named else "*"


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
