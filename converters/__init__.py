"""Converters: one file per target, and the driver that they share.

A new target is a file with ``SUFFIX``, ``PRECISIONS`` and ``lower`` (``edgeshift.converters.targets.Target`` has the
details), and a line in ``TARGETS``.
"""

from __future__ import annotations

from edgeshift.converters.conversion import Converted, Options, convert, default_path, find_target, require_choices
from edgeshift.converters.everything import Outcome, convert_all
from edgeshift.converters.targets import TARGETS, Job, Lowered

__all__ = [
    "TARGETS",
    "Converted",
    "Job",
    "Lowered",
    "Options",
    "Outcome",
    "convert",
    "convert_all",
    "default_path",
    "find_target",
    "require_choices",
]
