"""Care for the pods of a cluster: even them over the zones, and want more of them ahead of a sale."""
