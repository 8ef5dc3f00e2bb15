#!/bin/sh
# Measure an NVIDIA GPU beside the CPU, in less than ten minutes and without a network:
#
#     sh run.sh [OPTION...]       options of edgeshift.benchmarks.studies.nvidia, such as --size 224
#
# `make nvidia` packs this script, as run.sh, with all that it needs. The machine needs Linux x86-64, the Python that `make
# nvidia` was told, and a PyTorch for CUDA. The script writes into its own folder: packages/ and results/. The same command continues an interrupted run.
set -e
cd "$(dirname "$0")"
export PYTHONPATH="$PWD/packages${PYTHONPATH:+:$PYTHONPATH}"
for wheel in wheels/*.whl; do
    package=$(basename "$wheel" | cut -d- -f1)
    python3 -c "import importlib.metadata as m; m.version('$package')" 2> /dev/null || missing="$missing $wheel"
done
# shellcheck disable=SC2086
test -z "$missing" || python3 -m pip install --quiet --upgrade --no-index --no-deps --target packages $missing
exec timeout 590 python3 -m edgeshift.benchmarks.studies.nvidia --out results --minutes 7 "$@"
