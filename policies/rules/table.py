"""`python -m policies.rules.table` writes the README: what the pack checks, from the pack itself."""

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
pulumi preview --policy-pack policies --policy-pack-config policies/config/prod.json
```

`build/plan/<env>/policy.json` has all that was found, `policy.sarif` the same for code scanning. What a preview can't
know yet is undecided, never good. `config/` says how strict each environment is: prod and staging refuse, dev and
previews only tell of what is advisory there. An exception goes into `waivers.toml` with reason, owner and the day on
which it ends; from then on it is a violation again. MFA delete on buckets is not asked for: only the account's root
user can set it.

A rule is a row in `rules/<area>.py`: what must be so, which controls ask for it, how grave it is, how to mend it. The
table is generated: `python -m policies.rules.table`. `python -m tests.policies.defaults` flips each secure default of
the program and prints which policy tells of it.

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
