"""The reference executor for Core ML programs: every operation in numpy, on any platform.

Imports coremltools only to read a package, and no other runtime."""
