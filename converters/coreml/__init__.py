"""Core ML: lowering the step to an ML Program and packing it as a .mlpackage.

This package imports the shared parts of ``converters`` and the reader of ``runtimes.mil``, but no other target."""
