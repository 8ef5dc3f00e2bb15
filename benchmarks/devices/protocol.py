"""What the worker on a device and the program that started it agree on."""

from __future__ import annotations

#: The beginning of each line that is a message of the worker. Runtimes print other lines to the same stream.
MARK = "edgeshift: "
#: The worker's option to end when its standard input closes: the program that started it over a network is gone.
TIED = "--tied"
