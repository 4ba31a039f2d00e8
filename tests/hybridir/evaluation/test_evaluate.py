from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hybridir import names
from hybridir.data.benchmark import build_benchmark
from hybridir.errors import InputError
from hybridir.evaluation.evaluate import macro_of, score_embeddings, settings_of
from hybridir.retrieval.vector_store import store_vectors


def table(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    keys = ["setting", "query_language", "pool_language"]
    frame = pd.DataFrame(rows, columns=[*keys, names.AP])
    frame = frame.astype(dict.fromkeys(keys, "category"))
    for measure in names.MEASURES[1:]:
        frame[measure] = frame[names.AP] / 2
    return frame


TABLE = table(
    ("multilingual", "en", "all", 0.1),
    ("crosslingual", "en", "de", 0.4),
    ("crosslingual", "de", "en", 0.2),
    ("crosslingual", "de", "en", 0.4),
    ("monolingual", "en", "en", 1.0),
    ("monolingual", "de", "de", 0.5),
)


def test_settings_are_means_over_their_queries_in_a_fixed_order() -> None:
    rows = settings_of(TABLE)
    found = [
        (*(row[key] for key in ("setting", "query_language", "pool_language", "n")), row["map"])
        for row in rows
    ]
    assert found == [
        ("monolingual", "de", "de", 1, 0.5),
        ("monolingual", "en", "en", 1, 1.0),
        ("crosslingual", "de", "en", 2, pytest.approx(0.3)),
        ("crosslingual", "en", "de", 1, 0.4),
        ("multilingual", "en", "all", 1, 0.1),
    ]
    names_of_means = {"map", "mrr", "recall_at_1", "recall_at_10", "ndcg_at_10", "answer_f1"}
    assert names_of_means < rows[0].keys()


def test_macro_means_weigh_every_setting_the_same() -> None:
    macro = macro_of(TABLE)
    assert list(macro) == list(names.SETTINGS)
    assert macro["crosslingual"]["map"] == pytest.approx((0.3 + 0.4) / 2)
    assert macro["crosslingual"]["mrr"] == pytest.approx((0.3 + 0.4) / 4)
    assert list(macro_of(TABLE[:1])) == ["multilingual"]


def test_rankings_of_passages_in_a_file_are_refused_to_who_wants_to_see_them(
    tmp_path: Path,
) -> None:
    benchmark = build_benchmark("one", [("q", "en", "")], [("p", "en", "")], {"q": {"p"}})
    vectors = np.ones((1, 2), dtype=np.float32)
    stored = store_vectors(
        tmp_path, 1, 2, digest="", shards=1, make=lambda shard: (np.array([0]), vectors)
    )
    scored = score_embeddings(benchmark, vectors, stored, (), 1)
    assert scored.table[names.AP].tolist() == [1.0, 1.0]
    with pytest.raises(InputError, match="leave out --trec and --mteb"):
        score_embeddings(benchmark, vectors, stored, (), 1, [lambda queries_B, scores_BN: None])
