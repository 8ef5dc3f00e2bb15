"""Sources of frames: cameras, network streams, GStreamer pipelines, video files, image folders, the drawn stream."""
