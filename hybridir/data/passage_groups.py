"""Groups of rows that belong together: passage groups, clusters of questions, sides of a split.

A passage group holds passages that must never be negatives of each other.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence


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


def joined(labels: Sequence[str], *keys: Iterable[tuple[str, str]]) -> Sequence[str]:
    """Join groups of rows that have a key in common.

    Args:
        labels: the group of each row.
        keys: any number of columns, each with a key for every row; a key is a pair, such as
            (language, text), and is compared with the keys of its own column alone.

    Returns:
        The smallest of the joined labels for each row; `labels` itself if no two groups meet.

    >>> joined(["a", "b", "c"], [("en", "x"), ("en", "x"), ("de", "x")])
    ['a', 'a', 'c']
    """
    meetings = set()
    for column in keys:
        # Nested, since a tuple for each of millions of keys would take more memory than the rest.
        first_label: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for label, (space, key) in zip(labels, column, strict=True):
            other = first_label[space].setdefault(key, label)
            if other is not label and other != label:
                meetings.add((label, other))
    if not meetings:
        return labels
    # Both labels of a meeting are "answered" by the second one, so that they are connected.
    smallest = connected_questions((label, pair[1]) for pair in meetings for label in pair)
    return [smallest.get(label, label) for label in labels]
