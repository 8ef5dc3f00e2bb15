"""Accuracy on labelled clips, streamed frame by frame as a device sees them. Importing it needs no torch."""

from edgeshift.benchmarks.accuracy.clip import Answers, stream_clip
from edgeshift.benchmarks.accuracy.dataset import DataSet, LabelledClip, read_dataset, read_label_map
from edgeshift.benchmarks.accuracy.journal import Journal
from edgeshift.benchmarks.accuracy.measure import Measured, Opened, measure, open_subject
from edgeshift.benchmarks.accuracy.picture import draw_confusion
from edgeshift.benchmarks.accuracy.report import Report, Subject, gestures, make_report, require_labels
from edgeshift.benchmarks.accuracy.score import ClipScore, score_clip

__all__ = [
    "Answers",
    "ClipScore",
    "DataSet",
    "Journal",
    "LabelledClip",
    "Measured",
    "Opened",
    "Report",
    "Subject",
    "draw_confusion",
    "gestures",
    "make_report",
    "measure",
    "open_subject",
    "read_dataset",
    "read_label_map",
    "require_labels",
    "score_clip",
    "stream_clip",
]
