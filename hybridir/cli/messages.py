"""Settings in messages, as the options of the command that prints them.

Readers of benchmarks name settings as a study file writes them, ``skip_bad: true``; the command
`hybridir evaluate` has an option for each, ``--skip-bad``.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from hybridir.errors import InputError


def as_options(message: str) -> str:
    """Write settings of a benchmark, and the data root, as options of `hybridir evaluate`.

    >>> as_options("set skip_bad: true, or choose languages: [sw, yo]")
    'set --skip-bad, or choose --languages sw,yo'
    >>> as_options("needs table: {path: FILE}; ids in several languages: 2, taken for different")
    'needs --table FILE; ids in several languages: 2, taken for different'
    >>> as_options("ignore_identical_ids: false keeps it; parallel: questions, and no others")
    '--no-ignore-identical-ids keeps it; --parallel-questions, and no others'
    """
    return _setting().sub(_option, message)


@cache
def _setting() -> re.Pattern[str]:
    from hybridir.config import BenchmarkConfig  # .3 s, which a command's help need not spend

    names = [*(field for field in BenchmarkConfig.model_fields if field != "name"), "data_root"]
    return re.compile(
        # Not the beginning of a line that reports a problem of the setting itself.
        r"(?<!- )(?<!line: )\b(" + "|".join(names) + r"): "
        # Nor the count at the end of a note, "in several languages: 2".
        r"(\[[^\]]*\]|\{path: FILE\}|(?!\d+\b)[A-Za-z0-9_.-]*[A-Za-z0-9_-])"
    )


def _option(match: re.Match[str]) -> str:
    name, value = match[1].replace("_", "-"), match[2]
    if value == "true":
        return f"--{name}"
    if value == "false":
        return f"--no-{name}"
    if (name, value) == ("parallel", "questions"):
        return "--parallel-questions"
    value = value.removeprefix("{path: ").strip("[]}")
    return f"--{name} {value.replace(', ', ',')}"


def problems_as_options(message: str) -> str:
    r"""Begin lines about a setting with its option.

    >>> problems_as_options("command line: rules='own': input should be 'published'")
    "command line: --rules 'own': input should be 'published'"
    >>> problems_as_options("command line has 2 problems:\n  - name: 'dev' is reserved")
    "command line has 2 problems:\n  - --benchmark: 'dev' is reserved"
    """

    def option(match: re.Match[str]) -> str:
        start, name, sign = match.groups()
        named = "benchmark" if name == "name" else name.replace("_", "-")
        return f"{start}--{named}{':' if sign == ':' else ' '}"

    return re.sub(r"^(command line: |  - )([a-z_]+)(=|:(?= ))", option, message, flags=re.M)


@contextmanager
def reworded(*changes: Callable[[str], str]) -> Iterator[None]:
    """Let user's mistakes within name options.

    Args:
        changes: of their messages, such as `as_options`, one after the other.
    """
    try:
        yield
    except InputError as error:
        message = str(error)
        for change in changes:
            message = change(message)
        raise InputError(message) from None
