"""int8, the same for every target: grids, measured and tied ranges, and the checks of a finished graph.

Imports no target; torch is imported for the graphs that it reads."""
