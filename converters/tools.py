"""Calls of third-party converters. Their output is suppressed, and their exceptions become ConversionErrors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from edgeshift._system.quiet import quiet
from edgeshift.errors import ConversionError, EdgeshiftError, one_line


@contextmanager
def run_tool(failure: str) -> Iterator[None]:
    """Run the block, which calls a third-party tool, and suppress the tool's output and warnings.

    Args:
        failure: start of the error message, such as "torch.onnx cannot export tsm_mobilenet_v2".

    Raises:
        ConversionError: the tool raised an exception.
    """
    with quiet(stdout=True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except EdgeshiftError:
            raise
        except Exception as error:
            raise ConversionError(f"{failure}: {one_line(error)}") from error
