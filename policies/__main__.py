"""The policy pack as Pulumi runs it: PolicyPack prints its port and serves until it is stopped."""

from pulumi_policy import PolicyPack

from policies.rules.pack import NAME, policies

PolicyPack(NAME, policies(), description="Security and reliability of the rewards platform")
