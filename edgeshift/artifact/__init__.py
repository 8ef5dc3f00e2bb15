"""Artifacts: a converted graph and its description in one file, checked before a runtime opens it. Imports no torch."""
