"""What the demo draws: the picture, its window, and the recorded video."""
