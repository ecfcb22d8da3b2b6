"""How busy it is, how busy it will be, and how much to reserve."""
