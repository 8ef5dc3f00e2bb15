"""Drawn gesture clips: data to calibrate, test and train with, where no videos are at hand."""

from edgeshift.gestures.draw import Clip, contact_sheet, draw_clip, draw_clips
from edgeshift.gestures.strokes import LABELS, STROKES, Stroke

__all__ = ["LABELS", "STROKES", "Clip", "Stroke", "contact_sheet", "draw_clip", "draw_clips"]
