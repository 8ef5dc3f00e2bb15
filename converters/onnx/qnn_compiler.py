"""The program that compiles one graph for Qualcomm's NPU, in a process of its own.

    python -m edgeshift.converters.onnx.qnn_compiler FOLDER VERSION

The compiler numbers the tensors of all graphs of a process in turn, and writes the numbers into the binary. In a new
process, the same graph always gives the same bytes. A compiler that crashes ends only its process.
"""

from __future__ import annotations

import sys
from pathlib import Path

from edgeshift.errors import one_line
from edgeshift.runtimes import qnn

#: Names of the files in the folder: the graph, the compiled graph, and the release of QNN.
GRAPH, COMPILED, RELEASE = "graph.onnx", "compiled.onnx", "release.txt"


def main(arguments: list[str]) -> int:
    """Compile the graph in a folder for a version of the NPU. Returns the exit status; an error is the last line."""
    import onnxruntime
    import onnxruntime_qnn

    folder, version = Path(arguments[0]), arguments[1]
    entries = {
        "ep.context_enable": "1",
        "ep.context_file_path": str(folder / COMPILED),
        "ep.context_embed_mode": "1",
        "session.disable_cpu_ep_fallback": "0",  # so that the compiled graph shows what is left to the CPU
    }
    try:
        processor, devices = qnn.find_devices(onnxruntime, onnxruntime_qnn)
        options = qnn.provider_options(onnxruntime_qnn, devices, processor, version, entries)
        onnxruntime.InferenceSession((folder / GRAPH).read_bytes(), options)
    except Exception as error:  # native libraries raise many kinds of exceptions
        print(one_line(error), file=sys.stderr)
        return 1
    (folder / RELEASE).write_text(onnxruntime_qnn.build_and_package_info.qnn_version)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
