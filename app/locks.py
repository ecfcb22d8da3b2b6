"""Numbers of the advisory locks: who holds one is the only one that does what it stands for.

PostgreSQL has one space of 64-bit numbers a database for them:
https://www.postgresql.org/docs/16/explicit-locking.html#ADVISORY-LOCKS
"""

MIGRATING = 7_231_001
"""`app.migrations` takes it for its session, while it brings the schema along."""
SEALING = 7_231_002
"""The sealer that leads holds it with its connection; others stand by."""
PUBLISHING = 7_231_003
"""The worker that sends blocks to the stream holds it with its connection; others stand by."""
EXPORTING = 7_231_004
"""`app.ledger.exports` takes it for a transaction, beside the ones that it commits."""
LOADING = 7_231_005
"""`app.insights.warehouse.loading` takes it for a transaction, while it loads and publishes."""
LEARNING = 7_231_006
"""`app.insights.recommendations.learning` takes it for the transaction that replaces what was learned."""

REQUESTS = 7
"""Seed of the hash of a caller and an idempotency key, which `app.idempotency` locks while it works on the request."""
