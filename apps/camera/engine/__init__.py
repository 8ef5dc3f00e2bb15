"""The path of frames and sound to the model's answer, and the counters of a run. Imports sources and microphones."""
