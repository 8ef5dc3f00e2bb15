"""Video input: decoding, sampling and fitting frames, and folders of labelled clips.

Imports errors and ``_system``. OpenCV is imported when a file is read or a frame is resized, not before.
"""
