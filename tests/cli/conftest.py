"""Run a command in this process, as a script would."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from edgeshift.cli import main


class Result(NamedTuple):
    """The exit status of a command, and what it printed."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """A function that runs a command, such as ``run("inspect", path)``."""

    def call(*arguments: object) -> Result:
        capsys.readouterr()  # drops what the test has printed before
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return Result(int(ended.value.code or 0), *capsys.readouterr())

    return call
