"""TFLite: lowering, tied ranges, and reading the finished graph.

This package imports the shared parts of ``converters``, but no other target."""
