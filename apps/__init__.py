"""Programs for end users: the camera demo and the phone page. They import edgeshift and its runtimes, never torch."""
