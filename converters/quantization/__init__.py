"""int8, the same for every target: which tensors share a range, and the torch graphs that this is read from."""
