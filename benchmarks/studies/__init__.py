"""Studies: measurements of edgeshift itself for its own documentation. Nothing a user needs to run."""
