"""Which samplers there are: ours by name, any other by the path of its class."""

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from hybridir.runtime.commands import python

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

NamedSampler = Literal["tpe", "gp", "cma-es", "nsga-ii", "random", "quasi-random", "grid"]
SAMPLERS: Final = get_args(NamedSampler)
# Those that ignore the values of earlier trials.
WITHOUT_MODEL: Final = ("grid", "quasi-random", "random")
_HUB: Final = "optunahub"


def check_sampler(name: str) -> str:
    """Refuse a sampler that is neither one of ours nor a class.

    Raises:
        ValueError: with the legal names, or the reason for which there is no such class.
    """
    if name not in SAMPLERS:
        sampler_class(name)
    return name


def sampler_class(name: str) -> Callable[..., "BaseSampler"]:
    """Import a sampler by its path.

    Args:
        name: ``MODULE:CLASS``, a module of the working directory or an installed one, or
            ``optunahub:PACKAGE:CLASS``, such as ``optunahub:samplers/auto_sampler:AutoSampler``,
            for which the package ``optunahub`` must be installed.

    Raises:
        ValueError: if there is no such module or class, or it is no sampler of Optuna.
    """
    path, colon, class_name = name.rpartition(":")
    if not colon or not path or not class_name:
        raise ValueError(
            f"{name!r} is no sampler; legal are {', '.join(SAMPLERS)}, and the path of a class, "
            "such as my_samplers:MySampler or optunahub:samplers/auto_sampler:AutoSampler"
        )
    try:
        if path.startswith(f"{_HUB}:"):
            module = importlib.import_module(_HUB).load_module(path.removeprefix(f"{_HUB}:"))
        else:
            module = _import_with_own(path)
    except ModuleNotFoundError as error:
        remedy = f"; {python()} -m pip install {_HUB}" if error.name == _HUB else ""
        raise ValueError(
            f"{name}: no module {error.name}, neither in {Path.cwd()} nor installed{remedy}"
        ) from None
    except Exception as error:  # of foreign code, or of the network
        raise ValueError(f"{name}: {type(error).__name__}: {error}") from None
    from optuna.samplers import BaseSampler  # .3 s, which a sampler by name need not spend

    member = getattr(module, class_name, None)
    if not (inspect.isclass(member) and issubclass(member, BaseSampler)):
        raise ValueError(f"{name}: {class_name} is no class of optuna.samplers.BaseSampler")
    sampler: type[BaseSampler] = member
    return sampler


def check_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that a sampler's own class does not take, or lacks.

    Raises:
        ValueError: with those that it takes.
    """
    taken = inspect.signature(sampler_class(name))
    seed = {"seed": 0} if "seed" in taken.parameters else {}
    try:
        taken.bind(**(seed | dict(arguments)))
    except TypeError as error:
        raise ValueError(
            f"{error}; {name.rpartition(':')[2]} takes {', '.join(taken.parameters) or 'none'}"
        ) from None


def _import_with_own(path: str) -> Any:
    """Import a module that may lie in the working directory; installed ones come first."""
    sys.path.append(str(Path.cwd()))
    try:
        return importlib.import_module(path)
    finally:
        sys.path.pop()
