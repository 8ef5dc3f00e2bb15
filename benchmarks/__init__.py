"""Benchmarks: what things cost here, as ratios within one run. Importing them needs no torch.

python -m edgeshift.benchmarks.studies.overhead     what a shift and a stream cost, with goals
python -m edgeshift.benchmarks.studies.operators    where the time of a .tflite goes
python -m edgeshift.benchmarks.studies.files        a step of one artifact over a step of another, whatever runs them
"""
