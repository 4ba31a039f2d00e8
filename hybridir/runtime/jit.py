"""Compiling of loops that no library has, with numba."""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile at first call, for good: beside the source, or in the user's cache folder.

    Where neither can be written, it is compiled anew in each process.
    """
    try:
        return cast(Function, njit(cache=True, nogil=True)(function))
    except RuntimeError:  # numba found no writable cache folder
        return cast(Function, njit(nogil=True)(function))
