"""Artifacts: one file that holds a converted graph and its description, checked before any runtime opens the file.

Imports errors, ``_system``, targets, shift tables, frame fitting and the configuration of models. Needs no torch.
"""
