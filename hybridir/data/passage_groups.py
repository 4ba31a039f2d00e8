"""Passage groups: passages that must never be negatives of each other."""

from collections.abc import Iterable


def connected_questions(answers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Find the connected components over "answered by the same passage".

    Args:
        answers: (question id, passage) for every passage that answers a question; a passage is
            named by anything that tells it from all others.

    Returns:
        Question id -> the smallest question id of its component.

    >>> connected_questions([("a", "p"), ("b", "p"), ("c", "q")])
    {'a': 'a', 'b': 'a', 'c': 'c'}
    """
    # .4 s to import, which studies on other tables need not spend.
    from scipy.cluster.hierarchy import DisjointSet

    components = DisjointSet()
    first_question: dict[str, str] = {}  # of each passage
    for question, passage in answers:
        components.add(question)
        components.merge(first_question.setdefault(passage, question), question)
    smallest: dict[str, str] = {}  # of each component, by its root
    for question in components:
        root = components[question]
        smallest[root] = min(question, smallest.get(root, question))
    return {question: smallest[components[question]] for question in components}
