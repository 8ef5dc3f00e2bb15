"""Measurements of edgeshift itself, for its documentation. No user needs to run them.

Studies may import every room, but import converters only inside functions: they may not be installed."""
