"""Passage groups: what must never be a negative of what, from who answers whom."""

from collections.abc import Iterable


def connected(answers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Find the connected components over "answered by the same passage".

    Args:
        answers: (question id, passage) for every passage that answers a question; a passage is
            named by anything that tells it from all others.

    Returns:
        Question id -> the smallest question id of its component.

    >>> connected([("a", "p"), ("b", "p"), ("c", "q")])
    {'a': 'a', 'b': 'a', 'c': 'c'}
    """
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    owner: dict[str, str] = {}  # passage -> a question that it answers
    for question, passage in answers:
        parent.setdefault(question, question)
        first, second = root(owner.setdefault(passage, question)), root(question)
        parent[max(first, second)] = min(first, second)
    return {key: root(key) for key in parent}
