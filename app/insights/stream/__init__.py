"""The hot path: a consumer of the journal stream, and the hourly windows that it updates."""
