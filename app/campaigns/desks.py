"""The functions by which commands and routes handle rules and offers alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic
from uuid import UUID

from pydantic import BaseModel

from app.campaigns import offers, rules
from app.campaigns.life import Kind, Subject
from app.campaigns.offers_schemas import OfferOut
from app.campaigns.rules_schemas import RuleOut
from app.clock import Clock
from app.db import Session
from app.earning import service as earning
from app.earning.stages import State
from app.errors import FieldError
from app.offers import service as catalogue


@dataclass(frozen=True)
class Desk(Generic[Subject]):
    """The functions that list, look up and serialize the rules, or the offers."""

    kind: Kind[Subject]
    list: Callable[[Session, State | None, Clock, UUID | None, int], Sequence[Subject]]
    look_up: Callable[[Session, UUID], Subject]
    out: Callable[[Subject, datetime, Sequence[FieldError]], BaseModel]


RULES = Desk(rules.RULES, earning.rules, earning.rule, RuleOut.of)
OFFERS = Desk(offers.OFFERS, offers.offers, catalogue.offer, OfferOut.of)
