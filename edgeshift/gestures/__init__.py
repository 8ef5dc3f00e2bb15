"""Drawn gestures, as clips and as streams: data for calibration, tests and training without recorded videos.

Importing this package needs no torch; drawing needs OpenCV.
"""

from edgeshift.gestures.draw import SPACING, Clip, DrawnStream, draw_clip, draw_clips, draw_stream
from edgeshift.gestures.motion import Action, Event
from edgeshift.gestures.script import parse_script
from edgeshift.gestures.strokes import LABELS, STROKES, Stroke
from edgeshift.gestures.strokes_file import read_strokes

__all__ = [
    "LABELS",
    "SPACING",
    "STROKES",
    "Action",
    "Clip",
    "DrawnStream",
    "Event",
    "Stroke",
    "draw_clip",
    "draw_clips",
    "draw_stream",
    "parse_script",
    "read_strokes",
]
