"""Accuracy on labelled clips, streamed frame by frame as on a device. Importing it needs no torch."""

from edgeshift.benchmarks.accuracy.candidate import Candidate, open_candidate
from edgeshift.benchmarks.accuracy.clip import FrameLogits, stream_clip
from edgeshift.benchmarks.accuracy.journal import Journal
from edgeshift.benchmarks.accuracy.measure import Measured, measure
from edgeshift.benchmarks.accuracy.remote import open_on_device
from edgeshift.benchmarks.accuracy.report import ArtifactResult, Report, gestures, make_report, require_labels
from edgeshift.benchmarks.accuracy.score import ClipScore, score_clip

__all__ = [
    "ArtifactResult",
    "Candidate",
    "ClipScore",
    "FrameLogits",
    "Journal",
    "Measured",
    "Report",
    "gestures",
    "make_report",
    "measure",
    "open_candidate",
    "open_on_device",
    "require_labels",
    "score_clip",
    "stream_clip",
]
