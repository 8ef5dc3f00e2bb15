"""Studies: measurements of edgeshift itself for its own documentation. No user needs to run them.

They may import every room. Converters are loaded by name inside functions."""
