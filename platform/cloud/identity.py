"""The Cognito user pool of members, analysts and admins, whose tokens the application trusts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud.component import Component


@dataclass(frozen=True, kw_only=True)
class IdentityArgs:
    """Settings of the user pool. `groups` maps names to descriptions; `domain_prefix` must be unique in the region."""

    region: str
    domain_prefix: pulumi.Input[str]
    callback_urls: Sequence[str]
    groups: Mapping[str, str]
    protect: bool = True


class Identity(Component):
    """A user pool with its groups, and a web client without secret that signs in by authorization code and PKCE."""

    user_pool_id: pulumi.Output[str]
    user_pool_arn: pulumi.Output[str]
    client_id: pulumi.Output[str]
    issuer: pulumi.Output[str]
    jwks_url: pulumi.Output[str]

    def __init__(self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("identity", name, opts)
        pool = self._pool(name, args)
        aws.cognito.UserPoolDomain(name, domain=args.domain_prefix, user_pool_id=pool.id, opts=self.child)
        for group, about in args.groups.items():
            aws.cognito.UserGroup(
                f"{name}-{group}", name=group, description=about, user_pool_id=pool.id, opts=self.child
            )
        self.user_pool_id, self.user_pool_arn = pool.id, pool.arn
        self.client_id = self._web_client(name, args, pool).id
        self.issuer = pulumi.Output.concat("https://cognito-idp.", args.region, ".amazonaws.com/", pool.id)
        self.jwks_url = pulumi.Output.concat(self.issuer, "/.well-known/jwks.json")
        self.publish()

    def _pool(self, name: str, args: IdentityArgs) -> aws.cognito.UserPool:
        return aws.cognito.UserPool(
            name,
            user_pool_tier="LITE",  # a third of Essentials' price a member; passkeys would need that
            username_attributes=["email"],
            auto_verified_attributes=["email"],
            mfa_configuration="OPTIONAL",
            software_token_mfa_configuration={"enabled": True},
            password_policy={
                "minimum_length": 14,
                "require_lowercase": True,
                "require_uppercase": True,
                "require_numbers": True,
                "require_symbols": False,
                "temporary_password_validity_days": 3,
            },
            account_recovery_setting={"recovery_mechanisms": [{"name": "verified_email", "priority": 1}]},
            deletion_protection="ACTIVE" if args.protect else "INACTIVE",
            opts=self.kept(args.protect),
        )

    def _web_client(self, name: str, args: IdentityArgs, pool: aws.cognito.UserPool) -> aws.cognito.UserPoolClient:
        return aws.cognito.UserPoolClient(
            f"{name}-web",
            user_pool_id=pool.id,
            generate_secret=False,
            allowed_oauth_flows_user_pool_client=True,
            allowed_oauth_flows=["code"],
            allowed_oauth_scopes=["openid", "email", "profile"],
            callback_urls=args.callback_urls,
            supported_identity_providers=["COGNITO"],
            prevent_user_existence_errors="ENABLED",
            enable_token_revocation=True,
            access_token_validity=60,
            id_token_validity=60,
            refresh_token_validity=30,
            token_validity_units={"access_token": "minutes", "id_token": "minutes", "refresh_token": "days"},
            opts=self.child,
        )
