"""The reference executor for Core ML programs: every operation in numpy, on any platform."""
