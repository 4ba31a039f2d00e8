"""A whole study against one of sentence-transformers, Ray Tune, Optuna and MLflow as they come.

    python benchmarks/study.py --json study.json
    python benchmarks/study.py --data-root DATA --encoder FOLDER --repeats 2

Without data of one's own both train the demo's encoder (2 x 128) on the embedded corpus, and
measure each trial on its development data. With --data-root and --encoder both train that encoder
on MLQA-R, and measure each trial on XQuAD-R, both in a few languages. Either way a trial is
measured with the questions of each language in the pool of each language, and all in the pool of
all; as many trials of as many pairs run two at a time, on a core each.

Ours is `tune/run_sweep.py`, from Python's start to the report. The peer is
`benchmarks/parts/plain_study.py`, which writes no report. It encodes anew for each pool; of real
text it runs a second time with vectors that its evaluators share. Both have equal precision. They
take turns; after each round the figures so far are printed, and written to the file. Seconds are
those of the clock, by stage: those of training and evaluation are sums over the trials, divided by
the number of trials at a time. Not covered: GPUs.
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
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Annotated, Final

import typer
from transformers import PreTrainedTokenizerBase

from benchmarks.sweep_overhead import ROOT, SWEEP, Record, settings
from hybridir import names
from hybridir.config import TrialConfig
from hybridir.data import Benchmark, TrainingData, load_benchmarks, load_training
from hybridir.encoder import BiEncoder, load_bi_encoder, load_tokenizer, save_encoder
from tune.study.file import read_study_file

PLAIN: Final = ROOT / "benchmarks" / "parts" / "plain_study.py"
REAL: Final = ROOT / "tune" / "studies" / "mlqa_to_xquad.yaml"
WORKERS: Final = 2
STAGES: Final = ("imports", "start", "training", "evaluation", "between", "report")
"""Until the first line or the first call; Ray, checks and data; sums over trials, by the number
at a time; what the trials' time has beside these; from the last trial to the end."""

Stages = dict[str, float]


@dataclass(frozen=True)
class Peer:
    """Settings of the peer's study.

    Attributes:
        trials: number of trials.
        pairs: training pairs of each.
        batch_sizes: those that it draws from.
        learning_rate: of all trials.
        bf16: whether it computes in bf16, as ours does then.
    """

    trials: int
    pairs: int
    batch_sizes: tuple[int, ...]
    learning_rate: float
    bf16: bool


@dataclass(frozen=True)
class Work:
    """A study that both run: our study file with its overrides, and the peer's settings."""

    file: Path
    overrides: tuple[str, ...]
    peer: Peer


@dataclass(frozen=True)
class Real:
    """Real text, and the encoder that is trained on it."""

    data_root: Path
    encoder: Path
    languages: str
    precision: str


def embedded(folder: Path, trials: int, pairs: int) -> Work:
    """The demo's search, on the embedded corpus; `folder` gets all that a study leaves."""
    file, *overrides = settings(folder, trials, pairs)
    return Work(
        Path(file),
        (*overrides, "--set=training.precision=fp32"),
        Peer(trials, pairs, (64, 128), 3e-3, bf16=False),
    )


def real(folder: Path, trials: int, pairs: int, given: Real) -> Work:
    """Two pure ratios with several seeds, on real text; `folder` gets all that a study leaves."""
    languages = f"[{given.languages}]"
    overrides = {
        "data_root": given.data_root.resolve(),
        "encoder.path": given.encoder.resolve(),
        "train.lareqa.languages": languages,
        "report_on": f"[{{name: xquad-r, languages: {languages}}}]",
        "confirm.mixing_ratio": "[0.0, 1.0]",
        "confirm.seeds": trials // 2,
        "training.pairs": pairs,
        "training.precision": given.precision,
        "storage": folder / "results",
        "tracking_uri": f"sqlite:///{folder / 'mlflow.db'}",
    }
    return Work(
        REAL,
        tuple(f"--set={key}={value}" for key, value in overrides.items()),
        Peer(trials, pairs, (32,), 5e-5, bf16=given.precision == "bf16"),
    )


def run_ours(work: Work, folder: Path) -> Stages:
    """Run our study, which leaves its results in a folder; seconds by stage.

    Raises:
        RuntimeError: if it fails, or a trial has no result.
    """
    start = time.perf_counter()
    marks: dict[str, float] = {}
    command = [sys.executable, str(SWEEP), str(work.file), *work.overrides]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        lines = [line.decode() for line in marked(process.stdout, marks)]
    ended = time.perf_counter()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{''.join(lines)}")
    results = [
        json.loads(file.read_text())
        for file in folder.glob("results/*/run-*/trials/*/result.json")
    ]
    if len(results) != work.peer.trials:
        raise RuntimeError(f"{len(results)} of {work.peer.trials} trials have a result")
    training, evaluation = (
        sum(result[name] for result in results) / WORKERS
        for name in (names.TRAIN_SECONDS, names.EVALUATION_SECONDS)
    )
    trials = marks["last trial"] - marks["trials"]
    return {
        "imports": marks["first"] - start,
        "start": marks["trials"] - marks["first"],
        "training": training,
        "evaluation": evaluation,
        "between": trials - training - evaluation,
        "report": ended - marks["last trial"],
    }


def marked(lines: Iterable[bytes], marks: dict[str, float]) -> Iterator[bytes]:
    """Pass the lines of a study on; `marks` gets the time of those at which a stage begins."""
    for line in lines:
        marks.setdefault("first", time.perf_counter())
        if line.startswith((b"search: ", b"confirm: ")):
            marks.setdefault("trials", time.perf_counter())
        if b" COMPLETE " in line:
            marks["last trial"] = time.perf_counter()
        yield line


def run_peer(work: Work, folder: Path, cached: bool) -> Stages:
    """Run the peer's study on the same data; seconds by stage.

    Raises:
        RuntimeError: if it fails.
    """
    export(work, folder)
    start = time.perf_counter()
    chosen = json.dumps(asdict(work.peer) | {"cached": cached})
    done = subprocess.run(
        [sys.executable, str(PLAIN), str(folder), chosen],
        capture_output=True,
        text=True,
        check=False,
    )
    whole = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{done.stdout}\n{done.stderr}")
    taken = json.loads(done.stdout.splitlines()[-1])
    training, evaluation = (taken[stage] / WORKERS for stage in ("training", "evaluation"))
    return {
        "imports": whole - taken["start"] - taken["trials"],
        "start": taken["start"],
        "training": training,
        "evaluation": evaluation,
        "between": taken["trials"] - training - evaluation,
        "report": 0.0,
    }


def export(work: Work, folder: Path) -> None:
    """Write what the peer reads: pairs, what trials are measured on, the encoder."""
    study = read_study_file(work.file, [one.removeprefix("--set=") for one in work.overrides])
    trial = study.trial(
        {"mixing_ratio": 1.0, "temperature": 0.05, "batch_size": 64}, seed=0, report=True
    )
    data = load_training(trial.data)
    save_encoder(*load_for(trial, data, folder / "cache"), trial.encoder, folder / "encoder")
    columns = {"anchor": [*data.pairs.question], "positive": [*data.pairs.passage]}
    (folder / "pairs.json").write_text(json.dumps(columns))
    measured = data.dev or load_benchmarks(trial.data)[0]
    (folder / "benchmark.json").write_text(json.dumps(as_json(measured)))


def load_for(
    trial: TrialConfig, data: TrainingData, cache: Path
) -> tuple[BiEncoder, PreTrainedTokenizerBase]:
    """The encoder that our trials start from, and its tokenizer."""
    texts = [*data.pairs.question, *data.pairs.passage]
    tokenizer = load_tokenizer(trial.encoder, texts, data.pairs.digest, cache)
    return load_bi_encoder(trial.encoder, tokenizer, seed=0), tokenizer


def as_json(benchmark: Benchmark) -> dict[str, object]:
    """A benchmark as the peer reads it."""
    offsets = benchmark.relevant_offsets
    return {
        "queries": [
            [benchmark.languages[code], text]
            for code, text in zip(benchmark.query_languages, benchmark.queries, strict=True)
        ],
        "passages": [
            [benchmark.languages[code], text]
            for code, text in zip(benchmark.passage_languages, benchmark.passages, strict=True)
        ],
        "relevant": [
            benchmark.relevant[start:stop].tolist() for start, stop in pairwise(offsets.tolist())
        ],
    }


def record(name: str, ours: list[Stages], peer: list[Stages]) -> Record:
    """Print the ratio of the times, and the seconds of the stages; return the figures."""
    wholes = [[sum(stages.values()) for stages in taken] for taken in (ours, peer)]
    ratios = sorted(theirs / mine for mine, theirs in zip(*wholes, strict=True))
    ratio = statistics.median(ratios)
    mine, theirs = (statistics.median(times) for times in wholes)
    typer.echo(
        f"{name}: ours {mine:.1f} s, peer {theirs:.1f} s, "
        f"ratio {ratio:.2f} [{ratios[0]:.2f} .. {ratios[-1]:.2f}], n = {len(ratios)}"
    )
    for stage in STAGES:
        of_ours, of_peer = (
            statistics.median(run[stage] for run in taken) for taken in (ours, peer)
        )
        typer.echo(f"  {stage}: ours {of_ours:.1f} s, peer {of_peer:.1f} s")
    return {
        "name": name,
        "ours": mine,
        "peer": theirs,
        "unit": "s",
        "ratio": ratio,
        "floor_share": None,
        "ours_mb": None,
        "peer_mb": None,
        "n": len(ratios),
    }


def main(
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials of each study. Default: 12, of real text 4.")
    ] = None,
    pairs: Annotated[
        int | None,
        typer.Option(min=128, help="Training pairs of a trial. Default: 8000, or 1024."),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Studies of each.")] = 3,
    data_root: Annotated[
        Path | None, typer.Option(help="Folder that holds mlqa-r/ and xquad-r/.")
    ] = None,
    encoder: Annotated[Path | None, typer.Option(help="Folder of an encoder.")] = None,
    languages: Annotated[str, typer.Option(help="Codes, of real text.")] = "de,en,es",
    precision: Annotated[str, typer.Option(help="fp32 or bf16, of real text.")] = "bf16",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the figures, a list of objects.")
    ] = None,
) -> None:
    """Print the ratio of the studies' times, and the seconds of their stages."""
    if (data_root is None) != (encoder is None):
        raise typer.BadParameter("--data-root and --encoder go together")
    given = Real(data_root, encoder, languages, precision) if data_root and encoder else None
    if given and trials and trials % 2:
        raise typer.BadParameter(f"--trials {trials}: of real text an even number, for two ratios")

    def work(folder: Path) -> Work:
        if given:
            return real(folder, trials or 4, pairs or 1024, given)
        return embedded(folder, trials or 12, pairs or 8000)

    name = "study-real" if given else "study-embedded"
    ours: list[Stages] = []
    peers: dict[str, list[Stages]] = {name: [], f"{name}-cached": []} if given else {name: []}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            ours.append(run_ours(work(Path(folder)), Path(folder)))
        for kind, taken in peers.items():
            with tempfile.TemporaryDirectory() as folder:
                taken.append(run_peer(work(Path(folder)), Path(folder), kind != name))
        # After each round, so that an interruption loses one alone.
        records = [record(kind, ours, taken) for kind, taken in peers.items()]
        if json_file is not None:
            json_file.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
