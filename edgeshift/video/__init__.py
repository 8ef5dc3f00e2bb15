"""Video in: decoding, sampling and fitting frames, and folders of labelled clips. Needs OpenCV only when a file is read."""
