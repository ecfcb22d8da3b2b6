"""Minimum numbers of members and units, below which the warehouse's queries leave out a row."""

LEAST_MEMBERS = 10
"""Fewest members behind a published row: fewer would reveal too much about each (k-anonymity)."""
LEAST_UNITS = 50
"""Fewest units that a product, brand or department must have sold to have a seasonal index."""
