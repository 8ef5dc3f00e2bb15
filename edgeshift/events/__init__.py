"""Events: when a stream's answers add up to something worth announcing, how good that is, and how to tune it."""
