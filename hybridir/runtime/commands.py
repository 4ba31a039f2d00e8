"""Commands as the reader can say them at once: in this terminal, from this folder.

After ``make sweep`` nothing of the environment is on the reader's path, so that a bare ``python``
would be another one; with an activated environment short names are right.
"""

import shlex
import shutil
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def python() -> str:
    """The Python that runs this, by its short name if that means the same."""
    return _program("python") or _path(Path(sys.executable))


def script(name: str, *arguments: str) -> str:
    """A command of this checkout; of any checkout, where this is a package without one.

    Args:
        name: path of a script in the checkout, such as ``tune/run_sweep.py``.
        arguments: options and values; blanks are quoted.
    """
    here = _ROOT / name
    program = (python(), _path(here)) if here.is_file() else ("python", name)
    return " ".join((*program, *map(shlex.quote, arguments)))


def tool(name: str, *arguments: str, package: str = "") -> str:
    """A command of a package of this environment.

    Args:
        name: name of the command.
        arguments: options and values; blanks are quoted.
        package: package to install first where the command is missing; "" for one that can be run
            as a module of the same name.
    """
    beside = Path(sys.executable).parent / name
    if package and not beside.is_file():
        program = name if _program("python") else _path(beside)
        program = f"{python()} -m pip install {package} && {program}"
    elif beside.is_file():
        program = _program(name) or _path(beside)
    else:
        program = f"{python()} -m {name}"
    return " ".join((program, *map(shlex.quote, arguments)))


def _program(name: str) -> str:
    """A short name if the shell's path leads to this environment; else ""."""
    where = shutil.which(name)
    # The folders, since the Python in each is a link to that of the system.
    own = Path(sys.executable).parent.resolve()
    return name if where and Path(where).parent.resolve() == own else ""


def _path(path: Path) -> str:
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
