"""Artifacts: one file that holds a converted graph and its description. Read and checked before any runtime opens it."""
