"""The hot path: one consumer of the journal stream, and the hourly windows that it keeps."""
