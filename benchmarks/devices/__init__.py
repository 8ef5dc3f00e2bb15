"""Devices to measure on, behind one seam (``edgeshift.benchmarks.devices.device``)."""
