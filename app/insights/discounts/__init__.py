"""Prices for an hour: proposed where sales lag, within what their vendor allows, and measured afterwards."""
