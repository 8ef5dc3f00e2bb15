"""Core ML: lowering the step to an ML Program and packing it as a .mlpackage."""
