"""The path of a frame from a source to the model's answer, and the counters of a run. Imports ``sources``."""
