import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from hybridir.training.loss import effective_negatives, info_nce


def plain_info_nce(
    queries: NDArray[np.float64],
    passages: NDArray[np.float64],
    query_groups: list[int],
    passage_groups: list[int],
    positive: list[int],
    temperature: float,
    symmetric: bool,
) -> float:
    """The definition, one sum of exponentials at a time."""

    def similarity(query: int, passage: int) -> float:
        return math.exp(float(queries[query] @ passages[passage]) / temperature)

    def is_candidate(query: int, passage: int) -> bool:
        return passage == positive[query] or query_groups[query] != passage_groups[passage]

    forward = backward = 0.0
    for query in range(len(queries)):
        rivals = [p for p in range(len(passages)) if is_candidate(query, p)]
        own = similarity(query, positive[query])
        forward -= math.log(own / sum(similarity(query, p) for p in rivals))
        askers = [q for q in range(len(queries)) if is_candidate(q, positive[query])]
        backward -= math.log(own / sum(similarity(q, positive[query]) for q in askers))
    forward, backward = forward / len(queries), backward / len(queries)
    return (forward + backward) / 2 if symmetric else forward


def unit_vectors(n: int, seed: int, dimensions: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(n, dimensions, generator=generator)
    return torch.nn.functional.normalize(vectors, dim=-1)


def loss_of(queries: Tensor, passages: Tensor, groups: list[int], **options: object) -> Tensor:
    arguments = {"temperature": 0.1, **options}
    return info_nce(
        queries,
        passages,
        query_groups_B=torch.tensor(groups),
        passage_groups_N=torch.tensor(groups),
        positive_B=torch.arange(len(groups)),
        **arguments,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("temperature", [0.02, 0.5])
@pytest.mark.parametrize("groups", [list(range(6)), [0, 1, 0, 2, 1, 0]])
def test_the_loss_is_the_definition(
    groups: list[int], temperature: float, symmetric: bool
) -> None:
    queries, passages = unit_vectors(6, 1), unit_vectors(6, 2)
    loss = loss_of(queries, passages, groups, temperature=temperature, symmetric=symmetric)
    expected = plain_info_nce(
        queries.double().numpy(),
        passages.double().numpy(),
        groups,
        groups,
        list(range(6)),
        temperature,
        symmetric,
    )
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_passages_of_other_processes_are_negatives_too() -> None:
    queries, passages = unit_vectors(3, 1), unit_vectors(9, 2)
    query_groups, passage_groups = [3, 4, 5], [0, 1, 2, 3, 4, 5, 6, 7, 3]
    loss = info_nce(
        queries,
        passages,
        query_groups_B=torch.tensor(query_groups),
        passage_groups_N=torch.tensor(passage_groups),
        positive_B=torch.tensor([3, 4, 5]),
        temperature=0.1,
    )
    expected = plain_info_nce(
        queries.double().numpy(),
        passages.double().numpy(),
        query_groups,
        passage_groups,
        [3, 4, 5],
        0.1,
        False,
    )
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_all_passages_but_those_of_the_same_group_are_negatives() -> None:
    # All vectors are equal, so the loss is the log of the number of candidates. Questions 0 and 1
    # share a group: each has its own passage and passages 2 and 3, that is 3 candidates;
    # questions 2 and 3 have all 4.
    vectors = torch.tensor([[1.0, 0.0]] * 4)
    loss = float(loss_of(vectors, vectors, [7, 7, 8, 9]))
    assert loss == pytest.approx((2 * math.log(3) + 2 * math.log(4)) / 4)


def test_a_batch_of_one_group_has_nothing_to_learn_from() -> None:
    queries = unit_vectors(3, 1).requires_grad_()
    loss = loss_of(queries, unit_vectors(3, 2), [0, 0, 0], symmetric=True)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert queries.grad is not None
    assert not queries.grad.any()


def test_the_symmetric_term_is_the_loss_with_questions_and_passages_exchanged() -> None:
    queries, passages = unit_vectors(5, 1), unit_vectors(5, 2)
    groups = [0, 1, 1, 2, 3]
    both = loss_of(queries, passages, groups, symmetric=True)
    forward = loss_of(queries, passages, groups)
    backward = loss_of(passages, queries, groups)
    assert float(both) == pytest.approx(float(forward + backward) / 2, rel=1e-6)
    assert float(forward) != pytest.approx(float(backward), rel=1e-3)


def test_the_gradient_is_that_of_finite_differences() -> None:
    queries, passages = unit_vectors(4, 1), unit_vectors(4, 2)
    groups = [0, 1, 0, 2]
    for vectors in (queries, passages):
        vectors.requires_grad_()
    loss_of(queries, passages, groups, symmetric=True).backward()  # type: ignore[no-untyped-call]

    def at(moved: Tensor, row: int, column: int, by: float) -> float:
        shifted = [vectors.detach().double().numpy().copy() for vectors in (queries, passages)]
        shifted[0 if moved is queries else 1][row, column] += by
        first, second = shifted
        return plain_info_nce(first, second, groups, groups, [0, 1, 2, 3], 0.1, True)

    step = 1e-6
    for vectors in (queries, passages):
        assert vectors.grad is not None
        for row in range(4):
            for column in range(8):
                slope = at(vectors, row, column, step) - at(vectors, row, column, -step)
                expected = slope / (2 * step)
                assert float(vectors.grad[row, column]) == pytest.approx(expected, abs=1e-4)


def test_similarities_are_computed_in_fp32_inside_bf16_autocast() -> None:
    queries, passages = unit_vectors(6, 1, 64), unit_vectors(6, 2, 64)
    outside = loss_of(queries, passages, list(range(6)), temperature=0.01)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (queries @ passages.T).dtype is torch.bfloat16
        inside = loss_of(queries, passages, list(range(6)), temperature=0.01)
    assert inside.dtype is torch.float32
    assert torch.equal(inside, outside)


def test_effective_negatives_are_counted_per_question() -> None:
    # Of 4 passages, questions 0 and 1 have 2 negatives each, questions 2 and 3 have 3.
    groups = torch.tensor([7, 7, 8, 9])
    assert effective_negatives(groups, groups) == (2 + 2 + 3 + 3) / 4


@pytest.mark.parametrize("symmetric", [False, True])
def test_blocks_of_a_large_batch_have_its_loss_and_gradient(
    symmetric: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = [number // 2 for number in range(50)]
    results = []
    for rows in (50, 16):  # one block, and blocks of 16, 16, 16 and 2
        monkeypatch.setattr("hybridir.training.loss._ROWS", rows)
        monkeypatch.setattr("hybridir.training.loss._LOGITS", 0)
        queries, passages = unit_vectors(50, 1), unit_vectors(50, 2)
        vectors = (queries.requires_grad_(), passages.requires_grad_())
        loss = loss_of(*vectors, groups, symmetric=symmetric)
        loss.backward()  # type: ignore[no-untyped-call]
        results.append([loss.detach(), queries.grad, passages.grad])
    torch.testing.assert_close(results[1], results[0])
