"""The parts of int8 quantization that all targets share: grids, measured and tied ranges, checks of a finished graph.

This package imports torch, whose graphs it reads, but no target."""
