"""The ledger: a journal of revisions in the database, sealed into a chain of blocks over one Merkle tree."""

from app.ledger.service import append, append_all, append_items

__all__ = ["append", "append_all", "append_items"]
