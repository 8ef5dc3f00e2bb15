"""Settings of a short measurement in tests of the native agent."""

from __future__ import annotations

from edgeshift.benchmarks.latency.result import Settings

#: One repeat. It is short: the warm-up takes longer than the timing.
SHORT = Settings(
    mode="rapid", steps=20, seconds=0.2, repeats=1, frames="drawn", width=80, height=60, max_temperature=90.0
)
