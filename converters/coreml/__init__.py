"""Core ML: lowering the step to an ML Program and packing it as a .mlpackage.

Imports the shared parts of ``converters`` and the package reader of ``runtimes.mil``; no other target."""
