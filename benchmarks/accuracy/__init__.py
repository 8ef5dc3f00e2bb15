"""Accuracy on labelled clips, streamed frame by frame as on a device. Importing it needs no torch."""
