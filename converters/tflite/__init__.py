"""TFLite: lowering, tied ranges, and reading the finished graph.

Imports the shared parts of ``converters``; no other target."""
