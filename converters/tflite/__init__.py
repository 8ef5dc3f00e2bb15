"""TFLite: lowering, tied ranges, and reading the finished graph."""
