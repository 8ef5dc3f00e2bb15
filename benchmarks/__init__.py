"""Measure latency, memory, energy and accuracy of artifacts, on this machine and on devices. It imports no torch.

devices    reach a device and read what it reports of itself        accuracy   labelled clips, frame by frame
latency    time steps in fresh processes, and judge the result      reports    pages, tables and comparisons
statistics confidence intervals                                     studies    experiments about edgeshift itself
"""
