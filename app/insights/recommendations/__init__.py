"""Product recommendations for members, each with its reason, and products that are bought together."""
