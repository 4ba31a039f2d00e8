"""Published results of hybrid batches and their baselines.

No publication reports intervals, seeds or scores by query.
"""

from typing import NamedTuple

from hybridir import names

MONO, CROSS, HYBRID = "X-X-mono", "X-Y", "hybrid"
RATIOS = {MONO: 1.0, CROSS: 0.0, HYBRID: 0.5}
"""Mixing ratios by their names in the literature, in the order of its tables."""
STRATEGIES = ("En-En", "X-X", *RATIOS)
LANGUAGES = {"xquad-r": 11, "mlqa-r": 7}
"""Number of languages behind the published means of a benchmark."""
QUESTIONS = {"xquad-r": 1190, "mlqa-r": 1148}
"""Number of questions of a benchmark, each in some or all of its languages."""


class Published(NamedTuple):
    """One published result.

    Attributes:
        benchmark: its name.
        encoder: the fine-tuned encoder.
        strategy: the kind of batches; one of `STRATEGIES`.
        mixing_ratio: the alpha of the strategy; None where it has none.
        measure: column of the per-query table, or a bias measure of `hybridir.names`.
        setting: one of `names.SETTINGS`.
        value: the macro mean.
        source: arXiv id and table.
    """

    benchmark: str
    encoder: str
    strategy: str
    mixing_ratio: float | None
    measure: str
    setting: str
    value: float
    source: str


def _row(
    benchmark: str, encoder: str, strategy: str, measure: str, setting: str, value: float, at: str
) -> Published:
    ratio = RATIOS.get(strategy)
    return Published(benchmark, encoder, strategy, ratio, measure, setting, value, at)


# Elmahdy, Lin and Ahmad 2024: (encoder, benchmark), its table, then monolingual, cross-lingual
# and multilingual mAP of X-X-mono, X-Y and hybrid batches.
_MAPS = {
    ("XLM-R", "xquad-r", 3): (
        (0.7918, 0.7554, 0.7977),
        (0.6737, 0.6997, 0.7053),
        (0.5479, 0.5934, 0.5927),
    ),
    ("XLM-R", "mlqa-r", 4): (
        (0.6475, 0.6256, 0.6481),
        (0.5843, 0.6200, 0.6234),
        (0.4731, 0.5076, 0.5121),
    ),
    ("LaBSE", "xquad-r", 5): (
        (0.8083, 0.8008, 0.8167),
        (0.7519, 0.7618, 0.7672),
        (0.6517, 0.6791, 0.6817),
    ),
    ("LaBSE", "mlqa-r", 6): (
        (0.6807, 0.6710, 0.6864),
        (0.6561, 0.6767, 0.6811),
        (0.5504, 0.5755, 0.5785),
    ),
}
# The same paper's rank distances, and nDCG@10 on MIRACL's development set.
_OTHERS = {
    ("XLM-R", "xquad-r", 7, names.RANK_DISTANCE, names.MULTILINGUAL): (410.2, 295.4, 286.6),
    ("LaBSE", "xquad-r", 7, names.RANK_DISTANCE, names.MULTILINGUAL): (261.5, 225.2, 221.1),
    ("XLM-R", "mlqa-r", 8, names.RANK_DISTANCE, names.MULTILINGUAL): (287.5, 226.7, 227.1),
    ("LaBSE", "mlqa-r", 8, names.RANK_DISTANCE, names.MULTILINGUAL): (225.3, 198.3, 195.0),
    ("XLM-R", "miracl", 12, names.NDCG_AT_10, names.MONOLINGUAL): (0.4148, 0.3993, 0.4054),
    ("LaBSE", "miracl", 13, names.NDCG_AT_10, names.MONOLINGUAL): (0.4551, 0.4184, 0.4411),
}
# Roy et al. 2020: mAP in the pool of all languages, XQuAD-R and MLQA-R.
_LAREQA = {"En-En": (0.29, 0.36), "X-X": (0.23, 0.26), MONO: (0.52, 0.49), CROSS: (0.66, 0.49)}

PUBLISHED: tuple[Published, ...] = (
    *(
        _row(data, encoder, strategy, names.AP, setting, value, f"arXiv 2408.10536, table {table}")
        for (encoder, data, table), by_setting in _MAPS.items()
        for setting, values in zip(names.SETTINGS, by_setting, strict=True)
        for strategy, value in zip(RATIOS, values, strict=True)
    ),
    *(
        _row(data, encoder, strategy, measure, setting, value, f"arXiv 2408.10536, table {table}")
        for (encoder, data, table, measure, setting), values in _OTHERS.items()
        for strategy, value in zip(RATIOS, values, strict=True)
    ),
    *(
        _row(data, "mBERT", strategy, names.AP, names.MULTILINGUAL, value, "arXiv 2004.05484, § 5")
        for strategy, values in _LAREQA.items()
        for data, value in zip(LANGUAGES, values, strict=True)
    ),
)
