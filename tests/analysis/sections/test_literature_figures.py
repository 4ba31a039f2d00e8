from collections import Counter

import pytest

from analysis.sections.literature_figures import PUBLISHED, RATIOS, STRATEGIES
from hybridir import names


def test_hybrid_batches_gain_little_over_the_better_pure_strategy_in_map() -> None:
    values = {row[:3] + row[4:6]: row.value for row in PUBLISHED}
    gains = {}
    for row in PUBLISHED:
        if row.strategy == "hybrid" and row.measure == names.AP:
            pure = [
                values[row.benchmark, row.encoder, strategy, row.measure, row.setting]
                for strategy in ("X-X-mono", "X-Y")
            ]
            gains[row.encoder, row.benchmark, row.setting] = row.value - max(pure)
    assert len(gains) == 2 * 2 * 3
    # .5927 - .5934 for XLM-R in the pool of all languages, .8167 - .8083 for LaBSE in one.
    assert min(gains.values()) == pytest.approx(-0.0007)
    assert max(gains.values()) == pytest.approx(0.0084)
    assert gains["XLM-R", "xquad-r", names.MULTILINGUAL] == min(gains.values())
    assert gains["LaBSE", "xquad-r", names.MONOLINGUAL] == max(gains.values())


def test_hybrid_batches_lessen_the_rank_distance_of_monolingual_ones_as_the_paper_says() -> None:
    distance = {
        (row.encoder, row.benchmark, row.strategy): row.value
        for row in PUBLISHED
        if row.measure == names.RANK_DISTANCE
    }
    for encoder, data, percent in (
        ("XLM-R", "xquad-r", 30.1),
        ("LaBSE", "xquad-r", 15.4),
        ("XLM-R", "mlqa-r", 21.0),
        ("LaBSE", "mlqa-r", 13.4),
    ):
        before, after = distance[encoder, data, "X-X-mono"], distance[encoder, data, "hybrid"]
        assert 100 * (1 - after / before) == pytest.approx(percent, abs=0.05)


def test_monolingual_batches_win_on_miracl() -> None:
    for encoder in ("XLM-R", "LaBSE"):
        scores = {
            row.strategy: row.value
            for row in PUBLISHED
            if (row.encoder, row.benchmark) == (encoder, "miracl")
        }
        assert sorted(scores, key=scores.__getitem__) == ["X-Y", "hybrid", "X-X-mono"]


def test_every_figure_is_there_once_with_its_source() -> None:
    keys = Counter(row[:6] for row in PUBLISHED)
    # 12 cells of mAP, 4 of rank distance and 2 of nDCG, three strategies each; 4 baselines twice.
    assert len(keys) == len(PUBLISHED) == 3 * (12 + 4 + 2) + 4 * 2
    tables = Counter(row.source for row in PUBLISHED)
    assert {f"arXiv 2408.10536, table {n}": 9 for n in (3, 4, 5, 6)}.items() <= tables.items()
    assert {f"arXiv 2408.10536, table {n}": 6 for n in (7, 8)}.items() <= tables.items()
    assert tables["arXiv 2004.05484, § 5"] == 8
    for row in PUBLISHED:
        assert row.strategy in STRATEGIES
        assert row.mixing_ratio == RATIOS.get(row.strategy)
        assert (row.value > 1) == (row.measure == names.RANK_DISTANCE)
