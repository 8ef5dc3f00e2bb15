"""The threads that read frames and run the model, and what they measure."""
