"""Calls of other people's converters: without their output, and with one kind of error."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from edgeshift._system.quiet import quiet
from edgeshift.errors import ConversionError, EdgeshiftError, one_line


@contextmanager
def run_tool(failure: str) -> Iterator[None]:
    """Run a tool in the block, without its output and its warnings about its own internals.

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
