"""AWS building blocks as Pulumi components with secure defaults: a caller states only what differs."""
