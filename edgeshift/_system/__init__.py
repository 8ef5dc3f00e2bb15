"""Private helpers around the operating system: files, signals, progress. They import only ``edgeshift.errors``."""
