"""Run a command in this process, as a script would."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from edgeshift.cli import main


class Ran(NamedTuple):
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """``run("inspect", path)``: the exit status, standard output and standard error of a command."""

    def call(*arguments: object) -> Ran:
        capsys.readouterr()  # drops what the test itself printed
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return Ran(int(ended.value.code or 0), *capsys.readouterr())

    return call
