"""Converters: a folder for each target, and the pipeline that all targets share. Importing this package needs torch.

A new target is a record in ``edgeshift.targets`` and a module here with a ``lower`` function
(``edgeshift.converters.job.Converter``).
"""

from __future__ import annotations

from edgeshift.converters.all_targets import Outcome, convert_all
from edgeshift.converters.job import Job, Lowered, converter_of
from edgeshift.converters.pipeline import ClipOptions, Converted, Options, convert, default_path, require_choices

__all__ = [
    "ClipOptions",
    "Converted",
    "Job",
    "Lowered",
    "Options",
    "Outcome",
    "convert",
    "convert_all",
    "converter_of",
    "default_path",
    "require_choices",
]
