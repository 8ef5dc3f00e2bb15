"""Accuracy on labelled clips, streamed frame by frame as a device sees them. Importing it needs no torch."""

from edgeshift.benchmarks.accuracy.clip import Answers, stream_clip
from edgeshift.benchmarks.accuracy.journal import Journal
from edgeshift.benchmarks.accuracy.measure import Measured, measure
from edgeshift.benchmarks.accuracy.opened import Candidate, open_subject
from edgeshift.benchmarks.accuracy.picture import draw_confusion
from edgeshift.benchmarks.accuracy.remote import open_on
from edgeshift.benchmarks.accuracy.report import ArtifactResult, Report, gestures, make_report, require_labels
from edgeshift.benchmarks.accuracy.score import ClipScore, score_clip

__all__ = [
    "Answers",
    "ArtifactResult",
    "Candidate",
    "ClipScore",
    "Journal",
    "Measured",
    "Report",
    "draw_confusion",
    "gestures",
    "make_report",
    "measure",
    "open_on",
    "open_subject",
    "require_labels",
    "score_clip",
    "stream_clip",
]
