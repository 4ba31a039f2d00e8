"""The shipped studies, on miniatures of their data."""

import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from hybridir import names
from hybridir.errors import InputError
from tests.support.layouts import hub
from tune.folders import Outcome, RunFolder
from tune.forecast.plan import read_plan, render
from tune.study.file import STUDIES, read_study_file

pytestmark = pytest.mark.xdist_group("study")

ROOT = Path(__file__).parents[2]
TINY = "{layers: 1, hidden_size: 16, intermediate_size: 16, heads: 2, vocabulary: 1000}"
# Their user sets a folder of weights and a folder of data.
WITHOUT_WEIGHTS = ("mlqa_to_xquad", "minilm_*", "e5_[!h]*")
PHASES = ("search", "confirm", "baseline")
SEARCHED = ["search-000", "search-001"]
CONFIRMED = ["confirm-a0-s0", "confirm-a1-s0"]
TRIALS = {
    "mbert_ratio": [*CONFIRMED, *SEARCHED],
    "xlmr_paper": CONFIRMED,
    "labse_paper": CONFIRMED,
    "minilm_data": [
        "confirm-a0-s0", "confirm-a0-s1", "confirm-a0-s2",
        "confirm-a1-s0", "confirm-a1-s1", "confirm-a1-s2",
    ],
    "lareqa_baselines": [
        "baseline-bm25-s0", "baseline-en-en-s0", "baseline-hybrid-s0", "baseline-untrained-s0",
        "baseline-x-x-mono-s0", "baseline-x-x-s0", "baseline-x-y-s0",
    ],
}  # fmt: skip
# One process after the other would load torch and Ray four times.
RUN_ALL = """
import json, sys
from tune import run_sweep
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["run_sweep.py", *arguments]
    try:
        run_sweep.run()
    except SystemExit as ended:
        if ended.code:
            raise
"""


@pytest.mark.parametrize("path", sorted(STUDIES.rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_study_is_legal_and_pins_its_downloads(path: Path) -> None:
    theirs = any(path.match(f"{name}.yaml") for name in WITHOUT_WEIGHTS)
    local = ["data_root=.", "encoder.path=."] if theirs else []
    if path.stem == "e5_hub":
        with pytest.raises(InputError, match=r"encoder\.hub\.revision: is needed"):
            read_study_file(path, [])
        with pytest.raises(InputError, match=r"revision: 'main' is no commit .* 40 hexadecimal"):
            read_study_file(path, ["encoder.hub.revision=main"])
        local = [f"encoder.hub.revision={'0a' * 20}"]
    study = read_study_file(path, local)
    assert study.name == path.stem
    ratios = {names.BASELINE_RATIOS.get(name) for name in study.baselines}
    ratios |= set(study.confirm.mixing_ratio) if study.confirm else set()
    curve = study.search is None or names.MIXING_RATIO in study.space
    some = ("e5_budget_long", "e5_curve_between")  # go on with some ratios
    if study.report_on and curve and path.stem not in some:
        assert {0.0, 0.5, 1.0} <= ratios
    if study.encoder.hub:
        assert re.fullmatch("[0-9a-f]{40}", study.encoder.hub.revision)


def table(path: Path, questions: int) -> Path:
    """SQuAD translate-train in miniature, in the layout of `hybridir data prepare`."""
    rows = [
        {
            "question_id": f"squad-{number}",
            "passage_group": f"paragraph-{number // 2}",
            "language": language,
            "question": f"{language} what is thing {number} made of ?",
            "passage": f"{language} paragraph {number // 2} says what {number} is made of .",
        }
        for language in ("de", "en", "th")
        for number in range(questions)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@dataclass
class Finished:
    """The studies, each run to its end in one working directory, and their output."""

    folder: Path
    output: str

    def run(self, study: str) -> RunFolder:
        return RunFolder(self.folder / "results" / study / "run-001")

    def outcomes(self, study: str) -> dict[str, Outcome]:
        trials = {trial.name: trial.outcome for trial in self.run(study).trials()}
        return {name: outcome for name, outcome in trials.items() if outcome}


@pytest.fixture(scope="module")
def finished(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("shipped")
    miracl = hub(folder / "miracl", ["sw", "yo"])
    xquad = "{name: xquad-r, languages: [en, th]}"
    mlqa = "{name: mlqa-r, languages: [de, en]}"
    squad = f"train.table.path={table(folder / 'squad.jsonl', 120)}"
    everywhere = [
        f"data_root={data_root}",
        f"encoder={{from_scratch: {TINY}, query_length: 16, passage_length: 16}}",
        "training.pairs=64",
        # One trial at a time, so that one worker alone loads torch.
        f"resources={{cpu: {len(os.sched_getaffinity(0))}, gpu: 0}}",
    ]
    curve = ["confirm.mixing_ratio=[0.0, 1.0]", "confirm.seeds=1"]
    paper = [*curve, f"report_on=[{xquad}]", "confirm.at={temperature: 0.05, batch_size: 8}"]
    by_study = {
        "mbert_ratio": [
            *curve,
            f"report_on=[{xquad}, {mlqa}, {{name: miracl, folder: {miracl}, split: dev}}]",
            "dev_share=0.2",
            "space.batch_size={choice: [8, 16]}",
            "search.trials=2",
        ],
        "xlmr_paper": paper,
        "labse_paper": paper,
        # Without pooling, which an encoder from scratch sets itself.
        "minilm_data": [
            *paper,
            "train={lareqa: {name: mlqa-r, languages: [en, de]}, questions: shared}",
            "confirm.data_parts=3",
        ],
        "lareqa_baselines": [
            f"report_on=[{xquad}]",
            "batch.batch_size=8",
            "baseline_seeds=1",
        ],
    }
    commands: list[list[str]] = []
    for study, changes in by_study.items():
        has_own = any(change.startswith("train=") for change in changes)
        data = [] if has_own else [squad]
        every = (*data, *everywhere, *changes)
        settings = [word for change in every for word in ("--set", change)]
        commands.append([str(STUDIES / f"{study}.yaml"), *settings])
    commands.append([*commands[-1], "--plan"])
    commands.append(["--status", "lareqa_baselines"])
    commands.append(["--replay", "lareqa_baselines/baseline-bm25-s0"])
    inherited = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, json.dumps(commands)],
        cwd=folder,
        env={**inherited, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # signals to the tests do not reach Ray's processes
    )
    assert done.returncode == 0, done.stdout
    return Finished(folder, done.stdout)


@pytest.mark.long
@pytest.mark.parametrize("study", TRIALS)
def test_it_runs_to_its_report_at_miniature_size(finished: Finished, study: str) -> None:
    outcomes = finished.outcomes(study)
    assert sorted(outcomes) == TRIALS[study]
    for name, outcome in outcomes.items():
        if name in SEARCHED:
            continue
        assert outcome.state == "COMPLETE", outcome.reason
        assert 0 < outcome.metrics["xquad-r/map_monolingual"] <= 1
        assert len(outcome.metrics) <= 45
    assert (finished.run(study).report / "report.html").is_file()


def phases(plan: str) -> dict[str, str]:
    """Number of trials by phase of a printed plan."""
    rows = [line.strip("│ ").split() for line in plan.splitlines() if line.startswith("│")]
    return {row[0]: row[2] for row in rows if len(row) > 2 and row[0] in PHASES}


@pytest.mark.long
@pytest.mark.parametrize("study", TRIALS)
def test_its_plan_names_every_phase_with_its_trials(finished: Finished, study: str) -> None:
    run = finished.run(study)
    plan = read_plan(run)
    assert plan is not None
    console = Console(width=120, record=True, file=io.StringIO())
    for block in render(read_study_file(run.study_file, []), plan):
        console.print(block)
    counted = Counter(name.partition("-")[0] for name in TRIALS[study])
    assert phases(console.export_text()) == {name: str(n) for name, n in counted.items()}


@pytest.mark.long
def test_miracl_without_translations_of_questions_is_reported_on(finished: Finished) -> None:
    metrics = finished.outcomes("mbert_ratio")["confirm-a0-s0"].metrics
    assert 0 < metrics["miracl/map_monolingual"] <= 1
    assert 0 < metrics["mlqa-r/map_monolingual"] <= 1
    assert "miracl/map_crosslingual" not in metrics


@pytest.mark.long
def test_the_plan_of_the_baselines_is_printed_by_the_command(finished: Finished) -> None:
    last = finished.output.split("lareqa_baselines: plan")[-1].partition("disk:")[0]
    assert phases(last) == {"baseline": "7"}
    assert "time: " in last


@pytest.mark.long
def test_baselines_that_learn_nothing_are_not_trained(finished: Finished) -> None:
    outcomes = finished.outcomes("lareqa_baselines")
    trained = {name for name, outcome in outcomes.items() if "train/loss" in outcome.metrics}
    assert set(outcomes) - trained == {"baseline-bm25-s0", "baseline-untrained-s0"}
    shares = {name: outcomes[name].metrics["train/monolingual_share"] for name in trained}
    assert shares["baseline-x-y-s0"] == 0
    assert shares["baseline-x-x-mono-s0"] == 1


@pytest.mark.long
def test_baselines_have_a_status_and_can_be_replayed(finished: Finished) -> None:
    status = finished.output.rpartition("run-001: finished; 7 COMPLETE")[2]
    assert ["baseline", "7", "0", "0", "0", "0", "7"] in map(str.split, status.splitlines())
    assert "baseline-bm25-s0: all" in status
    assert "metrics are the same to the last digit" in status


@pytest.mark.long
def test_the_report_shows_all_baselines_together(finished: Finished) -> None:
    report = finished.run("lareqa_baselines").report
    rows = (report / "tables" / "baselines-xquad-r.csv").read_text().splitlines()
    baselines = [row.split(",")[0] for row in rows[1:]]
    assert baselines == ["untrained", "bm25", "en-en", "x-x", "x-x-mono", "x-y", "hybrid"]
    assert "Baselines on xquad-r" in (report / "report.html").read_text()
