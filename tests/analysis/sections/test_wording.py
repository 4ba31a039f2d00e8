import pandas as pd
import pytest

from analysis.sections.wording import p_text, sample_text


def test_small_p_values_are_bounded() -> None:
    assert [p_text(p) for p in (0.00099, 0.05, 0.5)] == ["p < 0.001", "p = 0.050", "p = 0.50"]


@pytest.mark.parametrize(
    ("seeds", "parts", "expected"),
    [
        ([1, 1], None, "n = 1 seed × 1,190 questions in 48 clusters."),
        ([3, 3], None, "n = 3 seeds × 1,190 questions in 48 clusters."),
        ([4, 2], None, "n = 2–4 seeds × 1,190 questions in 48 clusters."),
        ([2, 2], 5, "n = 5 parts of the data × 2 seeds × 1,190 questions in 48 clusters."),
    ],
)
def test_a_sample_states_seeds_questions_and_parts(
    seeds: list[int], parts: int | None, expected: str
) -> None:
    table = pd.DataFrame({"n_seeds": seeds, "n_clusters": 48, "n_questions": 1190})
    assert sample_text(table if parts is None else table.assign(n_parts=parts)) == expected
