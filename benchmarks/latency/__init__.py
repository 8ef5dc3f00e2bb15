"""Latency of artifacts on devices, as reports that can be compared. Importing it needs no torch."""
