"""The reference executor for Core ML programs: every operation in numpy, on any platform.

This package imports coremltools to read Core ML packages, and imports no other runtime."""
