"""Core ML: lowering to an ML Program and packing it as a .mlpackage."""
