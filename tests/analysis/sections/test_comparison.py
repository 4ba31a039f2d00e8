"""Two studies that differ by known amounts, compared from end to end."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.figures.study_curves import plot_study_curves
from analysis.page import Headline, Section
from analysis.sections.all import measure_study
from analysis.sections.comparison import check_comparable, compare, hybrid_text
from analysis.study.mlflow import load_study
from analysis.write import write_reports
from hybridir import names
from hybridir.errors import InputError
from tests.support.latex import compile_paper

Trials = list[dict[str, Any]]
Recorder = tuple[Callable[..., str], Callable[..., Trials]]
SCRIPT = Path(__file__).parents[3] / "analysis" / "report.py"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, recorder: Recorder) -> str:
    """``base``, ``better``, whose mAP at .5 is .1 higher, and ``elsewhere``, on other data."""
    folder = tmp_path_factory.mktemp("two")
    write_study, make_trials = recorder
    write_study(folder, "base", make_trials([0.0, 0.5, 1.0], [1, 2, 3]))
    better = make_trials([0.0, 0.5, 1.0], [1, 2, 3])
    for trial in better:
        if trial["params"][names.MIXING_RATIO] == 0.5:
            trial["tables"]["known"][names.AP] += 0.1
    uri = write_study(folder, "better", better)
    write_study(folder, "elsewhere", make_trials([0.5], [1], "other"))
    return uri


@pytest.fixture(scope="module")
def compared(database: str) -> tuple[Headline, Section]:
    """``base`` compared with ``better``."""
    studies = [load_study(name, database) for name in ("base", "better")]
    tables = [measure_study(study, np.random.default_rng(0)) for study in studies]
    headlines, sections = compare(tables)
    return headlines[0], sections[0]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, database: str) -> Path:
    """The written comparison."""
    folder = tmp_path_factory.mktemp("comparison")
    return write_reports(["base", "better"], database, folder, log=False)


def test_gains_differ_by_what_was_added(compared: tuple[Headline, Section]) -> None:
    (table,) = (t.data for t in compared[1].tables if t.name == "gain_differences-known")
    assert len(table) == 6, "three settings, two pure strategies"
    assert set(zip(table["first"], table["second"], strict=True)) == {("base", "better")}
    assert table["difference"].tolist() == [pytest.approx(-0.1)] * 6
    pool = table[(table["setting"] == names.MULTILINGUAL) & (table["pure"] == 0)]
    assert pool["gain_first"].item() == pytest.approx(0.45 - 0.40)
    assert set(table["paired"]) == set(table["seed_by_seed"]) == {"yes"}


def test_the_headline_states_the_difference(compared: tuple[Headline, Section]) -> None:
    assert "differs between studies in 6 of 6 comparisons" in compared[0].sentence
    assert "better gains 0.100 mAP more than base (hybrid: α = 0.5 in b" in compared[0].sentence


def test_the_figure_says_which_ratio_is_hybrid_in_each_study(
    compared: tuple[Headline, Section], curve: pd.DataFrame
) -> None:
    assert compared[0].figure is not None
    assert "Hybrid batches are those of α = 0.5." in compared[0].figure.caption
    assert "gain of α = 0.5 in mAP" in json.dumps(
        compared[0].figure.specification, ensure_ascii=False
    )
    # Two studies of which the second has .6 in the place of .5.
    gain = {
        **{"measure": names.AP, "setting": names.MULTILINGUAL, "hybrid": 0.5, "pure": [0.0, 1.0]},
        **{"difference": 0.05, "low": 0.02, "high": 0.2, "p_holm": 0.01},
    }
    first = pd.DataFrame(gain)
    second = first.assign(hybrid=0.6)
    ratios = curve[names.MIXING_RATIO].replace(0.5, 0.6)
    curves = pd.concat(
        [curve.assign(study="a"), curve.assign(study="b", **{names.MIXING_RATIO: ratios})]
    )
    gains = pd.concat([first.assign(study="a"), second.assign(study="b")])
    drawn = plot_study_curves(curves, gains).to_dict()
    text = json.dumps(drawn)
    assert "gain of hybrid batches in mAP" in text
    assert "gain of α" not in json.dumps(drawn, ensure_ascii=False)
    # Each of the three curves and the one panel of gains has the shapes of the studies.
    assert text.count('"range": ["circle", "square"]') == 4


def test_the_caption_names_the_ratio_of_each_study_where_they_differ() -> None:
    one = {"measure": names.AP, "hybrid": 0.5, "study": "mine"}
    gains = pd.DataFrame([one, one | {"hybrid": 0.6, "study": "crossed"}])
    assert "those of its ratio nearest to 0.5: α = 0.5 in mine, α = 0.6 in crossed." in (
        hybrid_text(gains)
    )


@pytest.mark.long
def test_the_page_links_each_report_and_lies_beside_its_figure(two: Path) -> None:
    page = two.read_text()
    for name in ("base", "better"):
        assert f'href="{name}/report.html"' in page
        assert (two.parent / name / "report.html").is_file()
    figures = {path.name for path in (two.parent / "figures").iterdir()}
    assert figures == {f"studies-known.{suffix}" for suffix in ("svg", "png", "pdf")}


def test_curves_of_both_are_in_one_table(compared: tuple[Headline, Section]) -> None:
    (curves,) = (t.data for t in compared[1].tables if t.name == "curves-known")
    means = curves[(curves["measure"] == names.AP) & (curves["setting"] == names.MULTILINGUAL)]
    at_half = means[means[names.MIXING_RATIO] == 0.5].set_index("study")["mean"]
    assert at_half.to_dict() == pytest.approx({"base": 0.45, "better": 0.55})


def test_studies_that_cannot_be_compared_are_refused_before_anything_is_written(
    database: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"no study 'absent'.*base, better, elsewhere"):
        write_reports(["base", "absent"], database, tmp_path / "a", log=False)
    assert not (tmp_path / "a").exists()
    with pytest.raises(
        InputError, match=r"no confirmed benchmark in common.*base: known; elsewhere: other"
    ):
        write_reports(["base", "elsewhere"], database, tmp_path / "b", log=False)
    assert not (tmp_path / "b").exists()
    with pytest.raises(InputError, match="needs two studies, 'base' is one"):
        write_reports(["base", "base"], database, tmp_path / "c", log=False)
    runs = [load_study("base", database)] * 2  # as base@run-001 and base@run-002 give
    with pytest.raises(InputError, match="named twice; its runs are joined as base@run-001,run-"):
        check_comparable(runs)


@pytest.mark.long
def test_command_with_two_names_prints_the_comparison_last(database: str, tmp_path: Path) -> None:
    options = ["--tracking-uri", database, "--no-log", "--paper", "paper"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "base", "better", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    text = compile_paper(tmp_path / "paper")
    assert "base" in text
    assert "better" in text
    for name in ("base", "better"):
        assert (tmp_path / "paper" / f"main_table-known-{name}.tex").is_file()
    page = tmp_path / done.stdout.splitlines()[-1]
    assert page == tmp_path / "results" / "base and better" / "report" / "report.html"
    assert 'href="../../base/report/report.html"' in page.read_text()
