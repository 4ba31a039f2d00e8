"""A base for objects that exist in the driver alone."""

from typing import Any, Self


class DriverOnly:
    """Keeps Ray from copying an object that holds files, locks or a terminal.

    Ray copies and pickles its searcher and callbacks, so that Ray can restore them. A study is
    resumed from its folder instead, so the copy is the object itself and the pickle is empty.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {}
