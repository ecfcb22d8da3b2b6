"""Keys of advisory locks; the holder of a lock is the only one that does its task.

PostgreSQL has one space of 64-bit keys in each database:
https://www.postgresql.org/docs/16/explicit-locking.html#ADVISORY-LOCKS
"""

MIGRATING = 7_231_001
"""`app.migrations` holds it for the session that migrates the schema."""
SEALING = 7_231_002
"""The leading sealer holds it on its connection; others stand by."""
PUBLISHING = 7_231_003
"""The worker that publishes blocks holds it on its connection; others stand by."""
EXPORTING = 7_231_004
"""`app.ledger.exports` holds it in a transaction, beside the transactions that it commits."""
LOADING = 7_231_005
"""`app.insights.warehouse.loading` holds it in a transaction while it loads and publishes."""
LEARNING = 7_231_006
"""`app.insights.recommendations.learning` holds it in the transaction that replaces the learned tables."""

REQUESTS = 7
"""Seed of the hash of caller and idempotency key, which `app.idempotency` locks during the request."""
