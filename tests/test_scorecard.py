import pandas as pd
import pytest

from hybridir import names
from hybridir.scorecard import macro_of, settings_of


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
