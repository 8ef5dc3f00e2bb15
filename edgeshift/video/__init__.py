"""Video input: decode, sample and fit frames, read labelled clips. Imports OpenCV only when it is needed."""
