"""Measure the latency of artifacts on devices, and write reports that can be compared. Nothing here imports torch."""
