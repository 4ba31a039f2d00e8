"""Loops that no library offers, compiled with numba."""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile a function at its first call and cache the result on disk.

    The cache lies beside the source, or in the user's cache folder. If neither is writable, each
    process compiles the function again.
    """
    try:
        return cast(Function, njit(cache=True, nogil=True)(function))
    except RuntimeError:  # numba has no writable cache folder
        return cast(Function, njit(nogil=True)(function))
