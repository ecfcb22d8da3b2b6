"""AWS building blocks as Pulumi components: secure by default, so that a caller writes only what differs."""
