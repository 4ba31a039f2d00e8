from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.sections.literature import literature_section
from analysis.study.mlflow import Study
from analysis.write import write_report
from hybridir import names

STUDY_TEXT = """
train: {lareqa: {name: mlqa-r}}
encoder: {hub: {id: owner/encoder, revision: abc}}
training: {pairs: 8000}
"""


def rows_of(table: pd.DataFrame, measure: str, setting: str) -> list[tuple[str, str]]:
    rows = table[(table["measure"] == measure) & (table["setting"] == setting)]
    return list(zip(rows["strategy"], rows["encoder"], strict=True))


def test_published_rows_stand_beside_the_pure_strategies_and_the_best_ratio(
    study: Study, curve: pd.DataFrame
) -> None:
    section = literature_section(study, "xquad-r", curve, n_languages=11)
    assert section is not None
    table = section.tables[0].data
    assert rows_of(table, names.AP, names.MULTILINGUAL) == [
        ("En-En", "mBERT"),
        ("X-X", "mBERT"),
        ("X-X-mono", "XLM-R"),
        ("X-X-mono", "LaBSE"),
        ("X-X-mono", "mBERT"),
        ("X-X-mono", "this study"),
        ("X-Y", "XLM-R"),
        ("X-Y", "LaBSE"),
        ("X-Y", "mBERT"),
        ("X-Y", "this study"),
        ("hybrid", "XLM-R"),
        ("hybrid", "LaBSE"),
        ("hybrid", "this study"),
        ("best ratio, selected", "this study"),
    ]
    # three settings of mAP and the rank distance; nothing else that a study measures
    own_rows = table[table["encoder"] == "this study"].set_index(
        ["measure", "setting", "strategy"]
    )
    assert len(own_rows) == 4 * 4
    means = own_rows["mean"]
    assert means[names.AP, names.MULTILINGUAL, "X-X-mono"] == pytest.approx(0.30)
    assert means[names.AP, names.MULTILINGUAL, "X-Y"] == pytest.approx(0.40)
    assert means[names.AP, names.MULTILINGUAL, "best ratio, selected"] == pytest.approx(0.45)
    assert (
        means[names.RANK_DISTANCE, names.MULTILINGUAL, "best ratio, selected"] == 10
    )  # lower is better
    key = (names.AP, names.MONOLINGUAL, "best ratio, selected")
    best = {column: own_rows[column][key] for column in own_rows}
    assert (best[names.MIXING_RATIO], best["n_seeds"], best["n_clusters"]) == (1.0, 3, 12)
    assert best["low"] < best["mean"] < best["high"]


def test_published_gains_and_sample_sizes_stand_beside_the_gains_of_the_study(
    study: Study, curve: pd.DataFrame
) -> None:
    gains = pd.DataFrame(
        {
            **{"measure": names.AP, "setting": names.MULTILINGUAL, "hybrid": 0.5},
            **{"pure": [0.0, 1.0], "difference": [0.05, 0.15], "low": [0.04, 0.1]},
            **{"high": [0.06, 0.2], "p_holm": [0.2, 0.01], "n_seeds": 3, "n_clusters": 12},
        }
    )
    section = literature_section(study, "xquad-r", curve, 11, gains)
    assert section is not None
    table = section.tables[0].data
    pool = table[(table["measure"] == names.AP) & (table["setting"] == names.MULTILINGUAL)]
    rows = {(row["encoder"], row["pure"]): row for row in pool.to_dict("records")}
    # .5927 - .5934, .6817 - .6517, and the study's own
    assert rows["XLM-R", 0.0]["gain"] == pytest.approx(-0.0007)
    assert rows["LaBSE", 1.0]["gain"] == pytest.approx(0.0300)
    assert rows["LaBSE", 1.0]["seeds"] == "not stated"
    assert rows["LaBSE", 1.0]["questions"] == 1190
    assert rows["this study", 0.0]["change"] == "not distinguished"
    assert rows["this study", 1.0]["change"] == "better"
    assert (rows["this study", 1.0]["seeds"], rows["this study", 1.0]["questions"]) == ("3", 12)


def test_published_figures_have_a_source_and_no_interval(
    study: Study, curve: pd.DataFrame
) -> None:
    section = literature_section(study, "mlqa-r", curve, n_languages=7)
    assert section is not None
    table = section.tables[0].data
    published = table[table["encoder"] != "this study"]
    assert len(published) == 3 * 2 * 4 + 4
    assert published[["low", "high", "n_seeds", "n_clusters"]].isna().all(axis=None)
    assert published["source"].str.startswith("arXiv ").all()


def test_a_ratio_that_was_not_confirmed_has_no_row(study: Study, curve: pd.DataFrame) -> None:
    without = curve[curve[names.MIXING_RATIO] != 0]
    section = literature_section(study, "xquad-r", without, n_languages=11)
    assert section is not None
    own_rows = section.tables[0].data.query("encoder == 'this study'")
    assert set(own_rows["strategy"]) == {"X-X-mono", "hybrid", "best ratio, selected"}


@pytest.mark.parametrize("benchmark", ["miracl", "synthetic-test", names.DEV])
def test_other_benchmarks_have_no_such_section(
    study: Study, curve: pd.DataFrame, benchmark: str
) -> None:
    assert literature_section(study, benchmark, curve, n_languages=3) is None


def test_differences_between_the_studies_are_stated(study: Study, curve: pd.DataFrame) -> None:
    recorded = replace(study, text=STUDY_TEXT)
    section = literature_section(recorded, "xquad-r", curve, n_languages=6)
    assert section is not None
    differs, pools = section.paragraphs
    assert "encoder, data and budget differ, and no intervals were published" in differs
    assert differs.endswith("This study trained owner/encoder on mlqa-r with 8,000 pairs.")
    assert pools.startswith("Published means are over 11 languages, this study's over 6,")
    whole = literature_section(study, "xquad-r", curve, n_languages=11)
    assert whole is not None
    assert len(whole.paragraphs) == 1
    assert whole.paragraphs[0].endswith("This study trained its encoder on its data.")


@pytest.mark.parametrize(
    ("text", "trained"),
    [
        (
            "train: {synthetic: {}}\nencoder: {from_scratch: {layers: 2}}",
            "a new encoder on synthetic",
        ),
        ("train: {table: {path: /home/me/a.csv}}\nencoder: {path: /home/m}", "m on a.csv"),
        ("train: {hub: {id: o/data}}", "its encoder on o/data"),
    ],
)
def test_encoder_and_data_are_named_as_in_the_study_file(
    study: Study, curve: pd.DataFrame, text: str, trained: str
) -> None:
    section = literature_section(replace(study, text=text), "xquad-r", curve, n_languages=11)
    assert section is not None
    assert section.paragraphs[0].endswith(f"This study trained {trained}.")


@pytest.mark.long
def test_the_report_of_a_study_on_xquad_r_has_the_section_and_its_table(
    tmp_path: Path, write_study: Callable[..., str], make_trials: Callable[..., list[Any]]
) -> None:
    uri = write_study(tmp_path, "beside", make_trials([0.0, 0.5, 1.0], [1, 2], "xquad-r"))
    page = write_report("beside", uri, tmp_path / "out", log=False).read_text()
    assert "<h2>Published results on xquad-r</h2>" in page
    assert "0.7918" in page
    table = pd.read_csv(tmp_path / "out" / "tables" / "published-xquad-r.csv")
    assert len(table) == 3 * 2 * 4 + 4 + 4 * 4
    own_rows = table[
        (table["encoder"] == "this study") & (table["strategy"] == "best ratio, selected")
    ]
    assert own_rows["n_seeds"].tolist() == [2, 2, 2, 2]


def test_the_report_of_another_study_has_no_such_section(report: Path) -> None:
    assert "Published results" not in report.read_text()
    assert not list((report.parent / "tables").glob("published-*"))
