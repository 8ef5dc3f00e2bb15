"""Drawn gestures, as clips and as streams: data to calibrate, test and train with, where no videos are at hand."""

from edgeshift.gestures.draw import SPACING, Clip, DrawnStream, contact_sheet, draw_clip, draw_clips, draw_stream
from edgeshift.gestures.motion import Act, Event, random_script
from edgeshift.gestures.script import parse_script
from edgeshift.gestures.strokes import LABELS, STROKES, Stroke
from edgeshift.gestures.strokes_file import read_strokes

__all__ = [
    "LABELS",
    "SPACING",
    "STROKES",
    "Act",
    "Clip",
    "DrawnStream",
    "Event",
    "Stroke",
    "contact_sheet",
    "draw_clip",
    "draw_clips",
    "draw_stream",
    "parse_script",
    "random_script",
    "read_strokes",
]
