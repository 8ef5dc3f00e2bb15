"""What edgeshift needs of the operating system: whole files, locks, signals, memory, threads, heat, progress. Private."""
