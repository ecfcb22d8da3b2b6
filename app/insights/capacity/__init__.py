"""Capacity planning: forecast the hourly orders, and find how much AWS capacity to reserve for a year."""
