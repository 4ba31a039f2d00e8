"""Output that may go away while a study runs: a closed terminal, a pipe, a full disk."""

import os
import sys
from typing import Any, TextIO


class _Lasting:
    """A stream whose writer survives the loss of the reader.

    A study takes days, and what it prints is in its folder as well. So text that cannot be
    written is dropped, instead of ending the study in the middle of a trial.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            self._drop()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self._drop()

    def _drop(self) -> None:
        """Send this and all later text nowhere; what is buffered would be tried again at exit."""
        leave(self._stream)


def make_output_last() -> None:
    """Let standard output and errors outlive their reader."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, _Lasting):
            setattr(sys, name, _Lasting(stream))


def leave_terminal() -> None:
    """Let go of a terminal that is gone, Ray's own output included."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if stream is not None and stream.isatty():
            leave(stream)


def end_output() -> None:
    """Send all further output nowhere, also that of other threads and of compiled code."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
            leave(stream)


def leave(stream: TextIO) -> None:
    """Connect a stream to nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
