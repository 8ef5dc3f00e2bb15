"""Sources of frames: cameras, network streams, pipelines, clips, drawn gestures. Imports no other part of the demo."""
