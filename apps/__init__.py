"""What people look at: the demo. Needs no torch."""
