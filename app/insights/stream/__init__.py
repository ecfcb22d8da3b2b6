"""The consumer of the ledger's Kinesis stream, and the hourly sales counts (windows) that it updates."""
