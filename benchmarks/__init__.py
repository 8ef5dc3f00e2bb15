"""Measure latency, memory, energy and accuracy of artifacts, here and on devices. This package imports no torch.

devices    run programs on a device and read its hardware facts     accuracy   score the answers to labelled clips
latency    time steps in fresh processes, and check their validity  reports    pages, tables and comparisons
statistics confidence intervals and the bootstrap                   studies    experiments about edgeshift itself
"""
