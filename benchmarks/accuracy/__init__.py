"""Measure accuracy on labelled clips, which are streamed frame by frame. Nothing here imports torch."""
