"""Converters: one file per target, and the driver that they share.

A new target is a file with ``SUFFIX``, ``PRECISIONS`` and ``lower`` (``edgeshift.converters.job.Target`` has the
details), and a line in ``TARGETS``.
"""

from __future__ import annotations

from edgeshift.converters.all_targets import Outcome, convert_all
from edgeshift.converters.job import TARGETS, Job, Lowered
from edgeshift.converters.pipeline import Converted, Options, convert, default_path, find_target, require_choices

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
