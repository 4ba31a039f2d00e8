"""Consoles that print text as it is given."""

from typing import IO

from rich.console import Console


def plain_console(
    *, stderr: bool = False, width: int | None = None, file: IO[str] | None = None
) -> Console:
    """Make a console on which a path with ``[brackets]`` or ``:x:`` stays one.

    Args:
        stderr: print to standard error instead of standard output.
        width: columns; None for those of the terminal.
        file: print there instead.
    """
    return Console(
        stderr=stderr, width=width, file=file, emoji=False, highlight=False, markup=False
    )
