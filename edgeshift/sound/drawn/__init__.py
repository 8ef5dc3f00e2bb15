"""Drawn sounds of our own synthesis. It needs numpy, and imports only the room of errors and that of sounds."""
