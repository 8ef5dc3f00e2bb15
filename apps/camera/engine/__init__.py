"""The path of a frame from an open source to the model's answer, and the counters of a run."""
