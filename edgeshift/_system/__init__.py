"""What edgeshift needs of the operating system: files, locks, signals, memory, threads, temperature, progress. Private.

Modules here import ``edgeshift.errors`` and nothing else of edgeshift, so that every other room may import them.
"""
