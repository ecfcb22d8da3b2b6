"""Tests that no secure default of the program can be flipped without a policy firing."""

from tests.policies import defaults


def test_every_secure_default_that_is_flipped_is_told_of() -> None:
    table = defaults.table()
    assert len(table) > 100
    assert {default for default, rules in table.items() if not rules} == set(defaults.NO_DEFAULT)
