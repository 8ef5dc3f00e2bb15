"""Benchmarks: what things cost here, as ratios within one run. Importing them needs no torch.

python -m edgeshift.benchmarks.overhead     what a shift and a stream cost, with goals
python -m edgeshift.benchmarks.moves        the same step in other operators
python -m edgeshift.benchmarks.operators    where the time of a .tflite goes
python -m edgeshift.benchmarks.files        a step of one artifact over a step of another, whatever runs them
"""
