"""Let rules and offers share routes and commands: RULES and OFFERS hold the functions and models that differ."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic
from uuid import UUID

from pydantic import BaseModel

from app.campaigns import offers, rules
from app.campaigns.life import Kind, Subject
from app.campaigns.offers_schemas import OfferIn, OfferOut, OfferPatch, OfferSimulationIn, OffersOut
from app.campaigns.rules_schemas import RuleIn, RuleOut, RulePatch, RuleSimulationIn, RulesOut
from app.campaigns.schemas import LivingOut, PatchIn, SubjectIn
from app.campaigns.simulation_schemas import SimulationIn
from app.clock import Clock
from app.db import Session
from app.earning import service as earning
from app.earning.lifecycle import State
from app.offers import service as catalogue


@dataclass(frozen=True)
class Desk(Generic[Subject]):
    """Functions and pydantic models with which the shared routes and commands serve either earning rules or offers."""

    kind: Kind[Subject]
    list: Callable[[Session, State | None, Clock, UUID | None, int], Sequence[Subject]]
    running: Callable[[Session, Clock, UUID | None, int], Sequence[Subject]]
    look_up: Callable[[Session, UUID], Subject]
    new: type[SubjectIn]
    patch: type[PatchIn]
    simulation: type[SimulationIn]
    out: type[LivingOut]
    page: type[BaseModel]

    @property
    def name(self) -> str:
        return self.kind.machine.name


RULES = Desk(
    rules.RULES,
    earning.rules,
    earning.running,
    earning.rule,
    RuleIn,
    RulePatch,
    RuleSimulationIn,
    RuleOut,
    RulesOut,
)
OFFERS = Desk(
    offers.OFFERS,
    catalogue.offers,
    catalogue.running,
    catalogue.offer,
    OfferIn,
    OfferPatch,
    OfferSimulationIn,
    OfferOut,
    OffersOut,
)
