"""The ledger documents that list an order's points lots: the order's own document, or separate ones.

An order's document has room for MOST_IN_ORDER lots. If there are more, all are listed in the documents `<order_id>/0`,
`<order_id>/1`, … of the ledger's table `order_lots`.
"""

from collections.abc import Sequence
from itertools import count
from uuid import UUID

import orjson

from app import ledger
from app.db import Session, WriteSession
from app.errors import NotFound
from app.ledger import service as journal
from app.wallet.models import Lot

MOST_IN_ORDER = 100
"""A lot takes up to 140 bytes of a document's 128 KB; most of the rest is for order lines of up to 500 bytes."""


def in_order(lots: Sequence[Lot]) -> list[dict[str, object]]:
    """Return the list of lots for the order's ledger document; it is empty if they are too many for this document."""
    return _items(lots) if len(lots) <= MOST_IN_ORDER else []


def append(session: WriteSession, order_id: UUID, member_id: UUID, lots: Sequence[Lot]) -> None:
    """Append separate documents of an order's lots to the ledger, if the lots don't fit in the order's document."""
    if len(lots) > MOST_IN_ORDER:
        ledger.append_items(session, "order_lots", str(order_id), _items(lots), order_id=order_id, member_id=member_id)


def document_of(session: Session, lot: Lot) -> tuple[str, str]:
    """Return (table, id) of the ledger document that lists a lot or, if a return split it off, its original lot."""
    if lot.source_id:
        return "corrections", str(lot.source_id)
    ids = {str(lot.lot_id), str(lot.split_from)}
    for number in count():
        document_id = f"{lot.order_id}/{number}"
        try:
            revision, _ = journal.revision(session, "order_lots", document_id)
        except NotFound:
            return "orders", str(lot.order_id)
        if ids & {item["lot"] for item in orjson.loads(revision.data or b'{"items": []}')["items"]}:
            return "order_lots", document_id
    raise AssertionError("unreachable")


def _items(lots: Sequence[Lot]) -> list[dict[str, object]]:
    return [{"lot": lot.lot_id, "line": lot.line, "points": lot.points, "rule": lot.rule_id} for lot in lots]
