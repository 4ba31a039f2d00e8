import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from hybridir import names
from hybridir.config.trial import TrialConfig
from hybridir.data.load import load_training
from hybridir.data.pairs import COLUMNS
from hybridir.encoder import load_encoder
from hybridir.errors import InputError, TrialError
from hybridir.trial.run import ENCODER, RESULT, TrialResult, run_trial
from tests.support.layouts import hub
from tests.support.sentence_folders import sentence_folder
from tests.support.tiny import parallel, repeatable, trial
from tests.support.training_data import write_table

# What MLflow accepts in a metric's name.
LEGAL = re.compile(r"[/\w.\- ]+")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def finished(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> TrialResult:
    workspace = tmp_path_factory.mktemp("runs") / "finished"
    return run_trial(trial(), workspace, cache, keep_encoder=True)


def test_a_finished_trial_leaves_its_result_settings_scores_log_and_encoder(
    finished: TrialResult,
) -> None:
    written = {
        path.relative_to(finished.workspace).as_posix()
        for path in finished.workspace.rglob("*")
        if path.is_file() and not path.is_relative_to(finished.workspace / ENCODER)
    }
    assert written == {
        RESULT,
        names.ARTIFACT_CONFIG,
        names.ARTIFACT_TRAINING_LOG,
        "language_pairs/dev.csv",
        "language_pairs/synthetic-test.csv",
        "per_query/dev.parquet",
        "per_query/synthetic-test.parquet",
        "rank_correlation/dev.csv",
        "rank_correlation/synthetic-test.csv",
        "top10_languages/dev.csv",
        "top10_languages/synthetic-test.csv",
        "top1_languages/dev.csv",
        "top1_languages/synthetic-test.csv",
    }
    assert (finished.workspace / ENCODER / "modules.json").is_file()
    assert json.loads((finished.workspace / RESULT).read_text()) == finished.metrics
    settings = (finished.workspace / names.ARTIFACT_CONFIG).read_text()
    assert json.loads(settings) == recorded(trial())


def recorded(config: TrialConfig) -> dict[str, Any]:
    """The settings that a trial records, with those of an encoder from scratch filled in."""
    content = config.model_dump(mode="json")
    open_ = {"pooling": "mean", "similarity": "cosine", "query_prefix": "", "passage_prefix": ""}
    content["encoder"] |= open_
    return content


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_pain_29_a_folder_s_layers_and_its_dot_product_are_trained_recorded_and_saved(
    cache: Path, tmp_path: Path
) -> None:
    st = pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling

    layers = [Pooling(16, "mean"), Dense(16, 8)]
    folder = sentence_folder(
        tmp_path / "theirs",
        *layers,
        prompts={"query": "query: ", "document": ""},
        similarity_fn_name="dot",
    )
    encoder = {"path": folder, "from_scratch": None, "query_length": None, "passage_length": None}
    config = trial(encoder=encoder, training={"temperature": 1.0})
    run_trial(config, tmp_path / "run", cache, keep_encoder=True)
    recorded = json.loads((tmp_path / "run" / names.ARTIFACT_CONFIG).read_text())["encoder"]
    assert (recorded["similarity"], recorded["query_prefix"]) == ("dot", "query: ")
    assert (recorded["query_length"], recorded["passage_length"]) == (64, 64)
    trained = st.SentenceTransformer(str(tmp_path / "run" / ENCODER), device="cpu")
    assert trained.similarity_fn_name == "dot"
    assert not torch.equal(trained[2].linear.weight, layers[1].linear.weight)
    texts = ["words of a text", "more"]
    ours = load_encoder(tmp_path / "run" / ENCODER)
    assert ours.model.similarity == "dot"
    theirs = np.stack([trained.encode_query([text])[0] for text in texts])
    np.testing.assert_allclose(ours.embed_queries(texts), theirs, atol=1e-6)
    assert np.abs(np.linalg.norm(theirs, axis=1) - 1).min() > 1e-3
    # The finished trial is recognised by the same settings, and another similarity is another.
    assert run_trial(config, tmp_path / "run", cache).workspace == tmp_path / "run"
    with pytest.raises(InputError, match="encoder differ"):
        other = trial(encoder={**encoder, "similarity": "cosine"}, training={"temperature": 1.0})
        run_trial(other, tmp_path / "run", cache)


@pytest.mark.slow
def test_embeddings_that_do_not_fit_into_memory_give_the_same_figures_and_leave_nothing(
    finished: TrialResult, cache: Path, tmp_path: Path
) -> None:
    stored = run_trial(trial(evaluation={"memory_mb": 0.001}), tmp_path / "run", cache)
    expected = repeatable(finished.metrics)
    # Products of another shape may round differently and swap two neighbours.
    assert repeatable(stored.metrics) == pytest.approx(expected, rel=1e-3)
    assert not (tmp_path / "run" / "embeddings").exists()


def test_a_benchmark_in_a_folder_without_translations_has_the_figures_that_it_can_have(
    cache: Path, tmp_path: Path
) -> None:
    report = [{"name": "miracl", "folder": hub(tmp_path / "hub", ["sw", "yo"]), "split": "dev"}]
    metrics = run_trial(trial(data={"report_on": report}), tmp_path / "run", cache).metrics
    reported = {name for name in metrics if name.startswith("miracl/")}
    assert reported >= {
        "miracl/map_monolingual",
        "miracl/map_multilingual",
        "miracl/ndcg_at_10_monolingual",
        "miracl/ndcg_at_10_multilingual",
    }
    assert not any("crosslingual" in name for name in reported)
    assert all(np.isfinite(value) for value in metrics.values())
    table = pd.read_parquet(tmp_path / "run" / "per_query" / "miracl.parquet")
    rows = table[table[names.SETTING] == names.MONOLINGUAL]
    assert sorted(rows[names.QUESTION_ID]) == ["sw-q1", "sw-q2", "yo-q1", "yo-q2"]
    assert metrics["miracl/ndcg_at_10_monolingual"] == pytest.approx(rows[names.NDCG_AT_10].mean())


def test_a_parallel_folder_is_reported_in_three_settings_with_its_bias(
    cache: Path, tmp_path: Path
) -> None:
    folder = hub(tmp_path / "hub", ["sw", "yo"])
    report = [{"name": "mine", "folder": folder, "split": "dev", "parallel": True}]
    metrics = run_trial(trial(data={"report_on": report}), tmp_path / "run", cache).metrics
    assert {f"mine/map_{setting}" for setting in names.SETTINGS} <= metrics.keys()
    assert {"mine/rank_distance", "mine/max_at_r", "mine/rank_correlation"} <= metrics.keys()
    table = pd.read_parquet(tmp_path / "run" / "per_query" / "mine.parquet")
    rows = table[table[names.SETTING] == names.MULTILINGUAL]
    # q1 has one relevant passage a language, q2 two.
    assert dict(zip(rows[names.QUESTION_ID], rows[names.N_RELEVANT], strict=True)) == {
        "q1": 2,
        "q2": 4,
    }


def test_a_mixture_is_trained_on_and_tuned_on_all_its_data_sets(
    cache: Path, tmp_path: Path
) -> None:
    mix = []
    for name, languages in (("both", "de en"), ("english", "en")):
        pairs = parallel(40, languages)  # the same ids in both
        path = tmp_path / f"{name}.jsonl"
        columns = {column: getattr(pairs, column) for column in COLUMNS}
        pd.DataFrame(columns).to_json(path, orient="records", lines=True)
        mix.append({"table": {"path": path}})
    config = trial(data={"train": {"mix": mix}, "report_on": []}, batch={"batch_size": 16})
    run_trial(config, tmp_path / "run", cache)
    scores = pd.read_parquet(tmp_path / "run" / "per_query" / "dev.parquet")
    # A tenth of 40 groups of each; the English one has no question in another language.
    for prefix, expected in (("1/", {"de", "en"}), ("2/", {"en"})):
        own = scores[scores[names.QUESTION_ID].str.startswith(prefix)]
        assert own[names.QUESTION_ID].nunique() == 4
        assert set(own[names.QUERY_LANGUAGE]) == expected


def test_metrics_have_names_that_mlflow_takes_and_are_at_most_45(finished: TrialResult) -> None:
    assert 10 < len(finished.metrics) <= 45
    for name, value in finished.metrics.items():
        assert LEGAL.fullmatch(name), name
        assert np.isfinite(value), name


@pytest.mark.parametrize("benchmark", ["dev", "synthetic-test"])
def test_headline_figures_are_the_means_of_the_per_query_table(
    finished: TrialResult, benchmark: str
) -> None:
    table = pd.read_parquet(finished.workspace / "per_query" / f"{benchmark}.parquet")
    for setting in names.SETTINGS:
        rows = table[table[names.SETTING] == setting]
        # A pool is a (question language, passage language); pools weigh alike.
        pools = rows.groupby([names.QUERY_LANGUAGE, names.POOL_LANGUAGE], observed=True)
        expected = pools[names.AP].mean().mean()
        metric = finished.metrics[names.mean_metric(benchmark, names.AP, setting)]
        assert metric == pytest.approx(float(expected), abs=1e-12)


def test_the_language_matrices_hold_the_means_and_shares_of_the_table(
    finished: TrialResult,
) -> None:
    table = pd.read_parquet(finished.workspace / "per_query" / "dev.parquet")
    languages = sorted(table[names.QUERY_LANGUAGE].astype(str).unique())
    first, second = languages[:2]

    pairs = pd.read_csv(finished.workspace / "language_pairs" / "dev.csv", index_col=0)
    own = (table[names.QUERY_LANGUAGE] == first) & (table[names.POOL_LANGUAGE] == second)
    assert pairs.loc[first, second] == pytest.approx(table.loc[own, names.AP].mean(), abs=1e-12)

    top1 = pd.read_csv(finished.workspace / "top1_languages" / "dev.csv", index_col=0)
    rows = table[(table[names.SETTING] == "multilingual") & (table["query_language"] == first)]
    share = (rows[names.TOP1_LANGUAGE] == second).mean()
    assert top1.loc[first, second] == pytest.approx(share, abs=1e-12)
    assert top1.sum(axis=1).tolist() == pytest.approx([1.0] * len(languages))


def test_the_training_log_covers_the_whole_training(finished: TrialResult) -> None:
    lines = (finished.workspace / names.ARTIFACT_TRAINING_LOG).read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["step"] for entry in entries] == list(range(1, 11))
    shares = [entry["monolingual_share"] for entry in entries]
    assert set(shares) <= {0.0, 1.0}  # one step an entry
    assert finished.metrics[names.TRAIN_MONOLINGUAL_SHARE] == pytest.approx(np.mean(shares))
    assert finished.metrics[names.TRAIN_LOSS] == pytest.approx(entries[-1]["loss"])


def test_a_finished_trial_is_reported_and_not_repeated(finished: TrialResult, cache: Path) -> None:
    written = (finished.workspace / RESULT).stat().st_mtime_ns
    reports: list[dict[str, float]] = []
    steps: list[int] = []
    again = run_trial(
        trial(),
        finished.workspace,
        cache,
        report=reports.append,
        progress=lambda step, of: steps.append(step),
    )
    assert again == finished
    assert reports == [finished.metrics]
    assert not steps
    assert (finished.workspace / RESULT).stat().st_mtime_ns == written


def test_a_finished_trial_is_not_taken_for_one_with_other_settings(
    finished: TrialResult, cache: Path
) -> None:
    changed = trial(seed=1, batch={"mixing_ratio": 0.9})
    with pytest.raises(InputError, match=r"other settings \(batch, seed differ\); choose another"):
        run_trial(changed, finished.workspace, cache)


@pytest.mark.parametrize(
    ("file", "content"),
    [("result.json", '{"dev/map_mean": 0.5'), ("result.json", '["a"]'), ("config.json", "")],
)
def test_a_damaged_file_of_a_finished_trial_is_named(
    file: str, content: str, cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / RESULT).write_text("{}")
    (tmp_path / file).write_text(content)
    with pytest.raises(
        InputError, match=f"{file}: is damaged .*; choose another folder, or delete"
    ):
        run_trial(trial(), tmp_path, cache)


def test_a_finished_trial_of_a_version_without_some_setting_is_taken_for_what_it_is(
    finished: TrialResult, cache: Path, tmp_path: Path
) -> None:
    older = Path(shutil.copytree(finished.workspace, tmp_path / "older"))
    config = json.loads((older / "config.json").read_text())
    del config["evaluation"]["reader"]
    (older / "config.json").write_text(json.dumps(config))
    assert run_trial(trial(), older, cache).metrics == finished.metrics


@pytest.mark.slow
def test_the_same_trial_twice_gives_the_same_figures_to_the_last_digit(
    finished: TrialResult, tmp_path: Path
) -> None:
    again = run_trial(trial(), tmp_path / "run", tmp_path / "another-cache", keep_encoder=True)
    assert repeatable(again.metrics) == repeatable(finished.metrics)
    assert len(repeatable(again.metrics)) == len(again.metrics) - 4
    for name in ("dev", "synthetic-test"):
        first, second = (
            pd.read_parquet(result.workspace / "per_query" / f"{name}.parquet")
            for result in (finished, again)
        )
        pd.testing.assert_frame_equal(first, second, check_exact=True)
    weights = [
        (result.workspace / ENCODER / "model.safetensors").read_bytes()
        for result in (finished, again)
    ]
    assert weights[0] == weights[1]


def test_another_seed_gives_other_figures(
    finished: TrialResult, cache: Path, tmp_path: Path
) -> None:
    reseeded = run_trial(trial(seed=1), tmp_path / "run", cache)
    assert reseeded.metrics[names.TRAIN_LOSS] != finished.metrics[names.TRAIN_LOSS]


@pytest.mark.slow
def test_fidelities_are_reported_in_order_and_the_last_has_the_benchmarks(
    finished: TrialResult, cache: Path, tmp_path: Path
) -> None:
    reports: list[dict[str, float]] = []
    steps: list[tuple[int, int]] = []
    result = run_trial(
        trial(),
        tmp_path / "run",
        cache,
        fidelities=[0.25, 0.5, 1.0],
        report=reports.append,
        progress=lambda step, of: steps.append((step, of)),
    )
    assert [metrics[names.FIDELITY] for metrics in reports] == [0.25, 0.5, 1.0]
    assert reports[-1] == result.metrics
    early = set(reports[0])
    assert early == set(reports[1])
    assert {name.split("/")[0] for name in set(reports[2]) - early} == {
        "synthetic-test",
        "evaluation",
        "memory",
    }
    assert steps == [(step, 10) for step in range(1, 11)]
    # Looking at the figures on the way changes nothing.
    assert repeatable(result.metrics) == repeatable(finished.metrics)


@pytest.mark.slow
def test_a_trial_that_is_stopped_by_its_report_goes_on_from_there(
    finished: TrialResult, cache: Path, tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    def stop(metrics: dict[str, float]) -> None:
        raise Stopped

    fidelities = [0.5, 1.0]
    with pytest.raises(Stopped):
        run_trial(trial(), tmp_path / "run", cache, fidelities=fidelities, report=stop)
    assert (tmp_path / "run" / names.TRIAL_CHECKPOINT).is_file()
    assert not (tmp_path / "run" / RESULT).exists()
    steps: list[int] = []
    reports: list[float] = []
    result = run_trial(
        trial(),
        tmp_path / "run",
        cache,
        fidelities=fidelities,
        report=lambda metrics: reports.append(metrics[names.FIDELITY]),
        progress=lambda step, of: steps.append(step),
    )
    assert steps == [6, 7, 8, 9, 10]
    assert reports == [0.5, 1.0]
    assert repeatable(result.metrics) == repeatable(finished.metrics)
    assert not (tmp_path / "run" / names.TRIAL_CHECKPOINT).exists()


@pytest.mark.slow
def test_a_half_finished_trial_of_other_settings_is_begun_anew(
    finished: TrialResult, cache: Path, tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    def stop(step: int, of: int) -> None:
        if step == 7:
            raise Stopped

    unfinished = trial(training={"pairs": 640, "temperature": 0.5})
    with pytest.raises(Stopped):
        run_trial(unfinished, tmp_path / "run", cache, progress=stop)
    result = run_trial(trial(), tmp_path / "run", cache)
    settings = (tmp_path / "run" / names.ARTIFACT_CONFIG).read_text()
    assert json.loads(settings) == recorded(trial())
    assert repeatable(result.metrics) == repeatable(finished.metrics)


@pytest.mark.slow
def test_a_half_finished_trial_is_refused_while_its_data_are_others(
    cache: Path, tmp_path: Path
) -> None:
    table = write_table(tmp_path, questions=200)
    config = trial(data={"train": {"table": {"path": table}}, "report_on": []})

    class Stopped(Exception):
        pass

    def stop(step: int, of: int) -> None:
        if step == 7:
            raise Stopped

    with pytest.raises(Stopped):
        run_trial(config, tmp_path / "run", cache, progress=stop)
    before = table.read_text()
    table.write_text(before.replace("en question 7", "en question seven"))
    checkpoint = tmp_path / "run" / names.TRIAL_CHECKPOINT
    with pytest.raises(InputError, match=rf"^{checkpoint}: the data have changed since"):
        run_trial(config, tmp_path / "run", cache)
    table.write_text(before)
    steps: list[int] = []
    run_trial(config, tmp_path / "run", cache, progress=lambda step, of: steps.append(step))
    assert steps == [7, 8, 9, 10]


def test_a_diverged_trial_says_so_and_leaves_no_result(cache: Path, tmp_path: Path) -> None:
    # Legal, and absurd: similarities over 1e-45 overflow at once.
    config = trial(training={"pairs": 640, "temperature": 1e-45, "precision": "fp32"})
    with pytest.raises(TrialError, match=r"^step 0: loss (nan|inf)"):
        run_trial(config, tmp_path / "run", cache)
    assert not (tmp_path / "run" / RESULT).exists()
    assert not (tmp_path / "run" / names.ARTIFACT_PER_QUERY).exists()


@pytest.mark.slow
def test_trials_of_different_precision_follow_each_other_in_one_process(
    finished: TrialResult, cache: Path, tmp_path: Path
) -> None:
    training = dict(trial().training.model_dump(mode="json"))
    half = run_trial(trial(training={**training, "precision": "bf16"}), tmp_path / "h", cache)
    full = run_trial(trial(), tmp_path / "f", cache)
    assert repeatable(full.metrics) == repeatable(finished.metrics)
    assert half.metrics[names.TRAIN_LOSS] != full.metrics[names.TRAIN_LOSS]
    assert half.metrics[names.TRAIN_LOSS] == pytest.approx(full.metrics[names.TRAIN_LOSS], rel=0.1)


def test_without_tuning_there_are_no_dev_figures(cache: Path, tmp_path: Path) -> None:
    data = {**trial().data.model_dump(mode="json"), "tune_on": None, "report_on": []}
    result = run_trial(trial(data=data), tmp_path / "run", cache)
    assert not [name for name in result.metrics if "map" in name]
    assert result.metrics[names.TRAIN_LOSS] > 0


@pytest.mark.parametrize(
    "sections",
    [
        {"batch": {"batch_size": 100_000}},
        {"encoder": {"from_scratch": None, "path": "nowhere"}},
        {"data": {"train": {"table": {"path": "nowhere.jsonl"}}, "report_on": []}},
    ],
)
def test_a_mistake_in_the_input_leaves_no_workspace(
    sections: dict[str, Any], cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError):
        run_trial(trial(**sections), tmp_path / "run", cache)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("role", ["workspace", "cache"])
def test_a_file_where_a_folder_is_needed_is_refused(tmp_path: Path, role: str) -> None:
    (tmp_path / "taken").write_text("a file")
    folders = [tmp_path / "run", tmp_path / "cache"]
    folders[role == "cache"] = tmp_path / "taken" / "below"
    with pytest.raises(InputError, match=f"{role} .*taken' is not a folder"):
        run_trial(trial(), *folders)


@pytest.mark.slow
def test_the_random_state_outside_does_not_matter(
    finished: TrialResult, cache: Path, tmp_path: Path
) -> None:
    torch.manual_seed(12345)
    np.random.seed(12345)  # noqa: NPY002  # the global state is what is tested
    result = run_trial(trial(), tmp_path / "run", cache)
    assert repeatable(result.metrics) == repeatable(finished.metrics)


def test_the_trained_languages_are_those_of_the_training_data(finished: TrialResult) -> None:
    assert load_training(trial().data).seen_languages == ("qa", "qb")
    table = pd.read_parquet(finished.workspace / "per_query" / "synthetic-test.parquet")
    assert set(table[names.QUERY_LANGUAGE]) == {"qa", "qb"}
