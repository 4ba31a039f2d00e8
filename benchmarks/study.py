"""A whole study against one of sentence-transformers, Ray Tune, Optuna and MLflow as they come.

    python benchmarks/study.py --json study.json

Both search temperature and batch size of the demo's encoder (2 x 128) on the embedded corpus, with
as many trials of as many pairs, two at a time on a core each, and measure each trial on the
development data: the questions of each language in the pool of each language, and all in the pool
of all. Ours is `tune/run_sweep.py`, from Python's start to the report, mixing ratio included; the
peer is `benchmarks/parts/plain_study.py`, which encodes anew for each pool and writes no report.
They take turns. Seconds are those of the clock, by stage: training and evaluation are sums over
the trials divided by the number of trials at a time; the rest is imports, Ray, checks, data,
tracking, idle workers and, of ours, the report. Not covered: real text, GPUs.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Instead of this script's folder, whose modules would shadow others of the same name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import json
import statistics
import subprocess
import tempfile
import time
from typing import Annotated

import typer

from benchmarks.sweep_overhead import DEMO, ROOT, SWEEP, Record, settings, wall_seconds
from hybridir import names
from hybridir.data import load_training
from hybridir.encoder import load_bi_encoder, load_tokenizer, save_encoder
from tune.study.file import read_study_file

PLAIN = ROOT / "benchmarks" / "parts" / "plain_study.py"
WORKERS = 2
STAGES = ("training", "evaluation", "rest")

Stages = dict[str, float]


def run_ours(folder: Path, trials: int, pairs: int) -> Stages:
    """Run our study; seconds by stage."""
    whole = wall_seconds([str(SWEEP), *settings(folder, trials, pairs)])
    results = [
        json.loads(file.read_text())
        for file in folder.glob("results/demo/run-*/trials/*/result.json")
    ]
    if len(results) != trials:
        raise RuntimeError(f"{len(results)} of {trials} trials have a result")
    taken = (
        sum(result[name] for result in results) / WORKERS
        for name in (names.TRAIN_SECONDS, names.EVALUATION_SECONDS)
    )
    return by_stage(whole, *taken)


def run_peer(folder: Path, trials: int, pairs: int) -> Stages:
    """Run the peer's study on the same data; seconds by stage."""
    export(folder)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(PLAIN), str(folder), str(trials), str(pairs)],
        capture_output=True,
        text=True,
        check=False,
    )
    whole = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{done.stdout}\n{done.stderr}")
    taken = json.loads(done.stdout.splitlines()[-1])
    return by_stage(whole, taken["training"] / WORKERS, taken["evaluation"] / WORKERS)


def by_stage(whole: float, training: float, evaluation: float) -> Stages:
    """Seconds of each of `STAGES`."""
    return dict(zip(STAGES, (training, evaluation, whole - training - evaluation), strict=True))


def export(folder: Path) -> None:
    """Write what the peer reads: pairs, development data, the encoder that ours starts from."""
    study = read_study_file(DEMO, [])
    trial = study.trial(
        {"mixing_ratio": 1.0, "temperature": 0.05, "batch_size": 64}, seed=0, report=False
    )
    data = load_training(trial.data)
    texts = [*data.pairs.question, *data.pairs.passage]
    tokenizer = load_tokenizer(trial.encoder, texts, data.pairs.digest, folder / "cache")
    encoder = load_bi_encoder(trial.encoder, tokenizer, seed=0)
    save_encoder(encoder, tokenizer, trial.encoder, folder / "encoder")
    columns = {"anchor": [*data.pairs.question], "positive": [*data.pairs.passage]}
    (folder / "pairs.json").write_text(json.dumps(columns))
    dev = data.dev
    assert dev is not None, "the embedded corpus has development data"
    bounds = zip(dev.relevant_offsets[:-1], dev.relevant_offsets[1:], strict=True)
    content = {
        "queries": [
            [dev.languages[code], text]
            for code, text in zip(dev.query_languages, dev.queries, strict=True)
        ],
        "passages": [
            [dev.languages[code], text]
            for code, text in zip(dev.passage_languages, dev.passages, strict=True)
        ],
        "relevant": [dev.relevant[start:stop].tolist() for start, stop in bounds],
    }
    (folder / "benchmark.json").write_text(json.dumps(content))


def main(
    trials: Annotated[int, typer.Option(min=1, help="Trials of each study.")] = 12,
    pairs: Annotated[int, typer.Option(min=128, help="Training pairs of a trial.")] = 8_000,
    repeats: Annotated[int, typer.Option(min=1, help="Studies of each.")] = 3,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the figures, a list of objects.")
    ] = None,
) -> None:
    """Print the ratio of the studies' times, and the seconds of their stages."""
    ours: list[Stages] = []
    peer: list[Stages] = []
    for _ in range(repeats):
        for run, taken in ((run_ours, ours), (run_peer, peer)):
            with tempfile.TemporaryDirectory() as folder:
                taken.append(run(Path(folder), trials, pairs))
    wholes = [[sum(stages.values()) for stages in taken] for taken in (ours, peer)]
    ratios = sorted(theirs / mine for mine, theirs in zip(*wholes, strict=True))
    ratio = statistics.median(ratios)
    mine, theirs = (statistics.median(times) for times in wholes)
    typer.echo(
        f"{trials} trials of {pairs} pairs, {WORKERS} at a time: "
        f"ours {mine:.1f} s, peer {theirs:.1f} s, "
        f"ratio {ratio:.2f} [{ratios[0]:.2f} .. {ratios[-1]:.2f}], n = {repeats}"
    )
    for stage in STAGES:
        of_ours, of_peer = (
            statistics.median(run[stage] for run in taken) for taken in (ours, peer)
        )
        typer.echo(f"  {stage}: ours {of_ours:.1f} s, peer {of_peer:.1f} s")
    if json_file is not None:
        record: Record = {
            "name": "study-embedded",
            "ours": mine,
            "peer": theirs,
            "unit": "s",
            "ratio": ratio,
            "floor_share": None,
            "ours_mb": None,
            "peer_mb": None,
            "n": repeats,
        }
        json_file.write_text(json.dumps([record], indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
