"""Sides of a table: what is trained on and what is held out, and disjoint parts.

No side has a question, a passage or, where the reader knows it, a paragraph of another.
"""

from collections.abc import Sequence

import numpy as np

from hybridir.data.pairs import Pairs
from hybridir.data.passage_groups import joined
from hybridir.errors import InputError

_KIND = "groups of passages"


def inseparable_groups(pairs: Pairs) -> Sequence[str]:
    """The group of each row that lies on one side of every split.

    These are the table's split groups, joined where two of them have a question id in common, or
    the same passage in one language. A table without passage groups needs that: each question is
    a group of its own there, though several may have one passage.
    """
    return joined(
        pairs.split_groups,
        (("", question) for question in pairs.question_id),
        zip(pairs.passage_languages, pairs.passage, strict=True),
    )


def split_by_group(pairs: Pairs, share: float, seed: int) -> tuple[Pairs, Pairs]:
    """Split a table in two so that nothing of one side answers a question of the other.

    Args:
        pairs: the table.
        share: share of the groups (see `inseparable_groups`) that goes to the second table, in
            (0, 1).
        seed: decides which groups.

    Returns:
        (training table, development table), rows in their old order.

    Raises:
        InputError: if either side would be empty.
    """
    group_of_row = inseparable_groups(pairs)
    groups = sorted(set(group_of_row))
    order = np.random.default_rng(seed).permutation(len(groups))
    n_dev = round(share * len(groups))
    if not 0 < n_dev < len(groups):
        raise InputError(
            f"dev_share={share}: of {len(groups)} {_KIND} {n_dev} would be held out; "
            "choose a share that leaves at least one group on each side"
        )
    dev = {groups[index] for index in order[:n_dev]}
    is_dev = [group in dev for group in group_of_row]
    return (
        pairs.select(row for row, held_out in enumerate(is_dev) if not held_out),
        pairs.select(row for row, held_out in enumerate(is_dev) if held_out),
    )


def select_data_part(pairs: Pairs, number: int, n_parts: int, seed: int) -> Pairs:
    """Deal the groups of a table into parts at random, and keep the rows of one part.

    Parts have no passage in common, so that they are independent samples if the groups (see
    `inseparable_groups`) are.
    Random subsets overlap, and a variance between them is too small (Nadeau and Bengio, Inference
    for the Generalization Error, Machine Learning 52, 2003).

    Args:
        pairs: the table.
        number: of the part, from 0.
        n_parts: number of parts; their numbers of groups differ by one at most.
        seed: decides which part a group goes to.

    Returns:
        The rows of that part, in their old order.

    Raises:
        InputError: if there are fewer groups than parts.
    """
    group_of_row = inseparable_groups(pairs)
    groups = sorted(set(group_of_row))
    if len(groups) < n_parts:
        raise InputError(
            f"{n_parts} parts of the training data: there are {len(groups)} {_KIND}; "
            f"choose at most {len(groups)} parts"
        )
    order = np.random.default_rng(seed).permutation(len(groups))
    dealt = {groups[index] for index in order[number::n_parts]}
    return pairs.select(row for row, group in enumerate(group_of_row) if group in dealt)
