"""The window, the drawn picture and recorded videos. Imports the engine, for the frames and answers that it shows."""
