"""Damage to values in JSON and YAML files: another type, a missing key."""

import copy
import json
import random
from typing import Any

# Stands for brackets that are nested deeper than any encoder writes them.
_DEEP = "deep\x00"
_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**70, 10**400, 0.5, -0.0, 1e308),
    *(float("nan"), float("inf"), float("-inf")),
    *("", " ", "x", "0", "1e5", "\ud800", "a\udfffb", "\x00", "\u2028", "é" * 300, "x" * 100_000),
    *("../..", "/", "*", "%s", "{}", "en", "xx", "NaN", "true"),
    *([], {}, [[]], [None], [{}], {"": None}, {"x": {"x": {}}}, [1, "x", None], _DEEP),
)


def changed(tree: Any, rng: random.Random) -> Any:
    """A copy of a tree with one changed entry.

    Args:
        tree: of dictionaries, lists and plain values.
        rng: decides the entry and the change.
    """
    if rng.random() < 0.05:
        return copy.deepcopy(rng.choice(_ODD))
    tree = copy.deepcopy(tree)
    positions = list(_positions(tree))
    if not positions:
        return copy.deepcopy(rng.choice(_ODD))
    parent, key = rng.choice(positions)
    kind = rng.randrange(6)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, dict):
        parent[rng.choice(("", "x", f"{key}s", "\ud800", "0"))] = parent.pop(key)
    elif kind == 1:
        parent.insert(key, copy.deepcopy(parent[key]))
    elif kind == 2:
        donor, inner = rng.choice(positions)
        parent[key] = copy.deepcopy(donor[inner])
    elif kind == 3:
        parent[key] = [parent[key]] if rng.random() < 0.5 else {"x": parent[key]}
    elif kind == 4 and isinstance(parent[key], int | float):
        parent[key] = rng.choice((-parent[key], parent[key] + 1, parent[key] * 10**9, 1 / 3))
    else:
        parent[key] = copy.deepcopy(rng.choice(_ODD))
    return tree


def dumped(tree: Any) -> bytes:
    """As JSON, with the values that Python's encoder takes beyond the standard."""
    text = json.dumps(tree)
    return text.replace(json.dumps(_DEEP), "[" * 5000 + "]" * 5000).encode()


def _positions(tree: Any) -> Any:
    """Every (container, key) of a tree."""
    keys = tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield tree, key
        yield from _positions(tree[key])
