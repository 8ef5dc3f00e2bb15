"""Latency of artifacts on devices, as reports that can be compared. It imports no torch."""
