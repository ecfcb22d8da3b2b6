"""Recommendations: products bought together, and what to show a member, with the reason."""
