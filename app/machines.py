"""All state machines, and their diagrams in docs/states.md, which `make states` rewrites."""

import re
from pathlib import Path
from typing import Any

from app.accounts.claims_models import CLAIM
from app.accounts.corrections_models import CORRECTION
from app.discounts.models import DISCOUNT
from app.earning.lifecycle import OFFER, RULE
from app.offers.subscription_states import SUBSCRIPTION
from app.states import Machine
from app.vendors.models import FEED, VENDOR
from app.wallet.states import CHARGE, LOT, PAYMENT, REDEMPTION

MACHINES: tuple[Machine[Any, Any], ...] = (
    *(SUBSCRIPTION, CHARGE, PAYMENT, REDEMPTION, LOT, CLAIM),
    *(OFFER, RULE, VENDOR, FEED, DISCOUNT, CORRECTION),
)
_BETWEEN = re.compile(r"(?<=<!-- states: written by `make states` -->\n).*?(?=<!-- states end -->)", re.DOTALL)


def pictures() -> str:
    """Return a markdown section with a diagram of each state machine."""
    return "".join(
        f"\n<details><summary>{machine.name}</summary>\n\n```mermaid\n{machine.diagram()}\n```\n\n</details>\n"
        for machine in MACHINES
    )


def illustrated(document: str) -> str:
    """Return a markdown document with its section of diagrams replaced by the current ones."""
    return _BETWEEN.sub(lambda _: pictures() + "\n", document)


if __name__ == "__main__":
    page = Path("docs/states.md")
    page.write_text(illustrated(page.read_text()))
