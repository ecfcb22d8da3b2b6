"""What goes with what, and what to show to whom, with the reason."""
