"""Capacity planning: hourly load, its forecast, and what to reserve in AWS."""
