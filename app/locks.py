"""Keys of PostgreSQL's advisory locks, which ensure that one process at a time does a task.

Each database has one space of 64-bit keys:
https://www.postgresql.org/docs/16/explicit-locking.html#ADVISORY-LOCKS
"""

MIGRATING = 7_231_001
"""Held by the session that migrates the schema (app.migrations)."""
SEALING = 7_231_002
"""Held by the connection of the sealer that leads; other sealers stand by."""
PUBLISHING = 7_231_003
"""Held by the connection of the worker that publishes blocks; other workers stand by."""
EXPORTING = 7_231_004
"""Held during an export of the ledger, by a transaction of its own (app.ledger.exports)."""
LOADING = 7_231_005
"""Held by a transaction while the warehouse is loaded (app.insights.warehouse.loading)."""
LEARNING = 7_231_006
"""Held by the transaction that replaces the learned tables (app.insights.recommendations.learning)."""

REQUESTS = 7
"""Seed of the hash of caller and idempotency key that is the key of a request's lock (app.idempotency)."""
