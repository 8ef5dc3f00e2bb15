"""Accuracy on labelled clips, streamed frame by frame as a device sees them. Importing it needs no torch."""

from edgeshift.benchmarks.accuracy.clip import Answers, stream_clip
from edgeshift.benchmarks.accuracy.journal import Journal
from edgeshift.benchmarks.accuracy.measure import Measured, measure
from edgeshift.benchmarks.accuracy.opened import Opened, open_subject
from edgeshift.benchmarks.accuracy.picture import draw_confusion
from edgeshift.benchmarks.accuracy.remote import open_on
from edgeshift.benchmarks.accuracy.report import Report, Subject, gestures, make_report, require_labels
from edgeshift.benchmarks.accuracy.score import ClipScore, score_clip

__all__ = [
    "Answers",
    "ClipScore",
    "Journal",
    "Measured",
    "Opened",
    "Report",
    "Subject",
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
