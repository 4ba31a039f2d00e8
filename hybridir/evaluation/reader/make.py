"""Makes a reader: fine-tuned once, measured on gold paragraphs, and frozen as a folder.

What the reader gets right in the gold paragraphs of a benchmark is the ceiling of every retriever
whose first paragraphs it reads. No question or paragraph of that benchmark may be trained on.

Everything lies in a folder of the cache that is named by the digest of encoder, data and recipe,
until the reader's folder is written, with its record. So the folder is whole or absent, and the
same command goes on after an interruption: with the last checkpoint, or with reading.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hybridir import __version__, names
from hybridir.config import BenchmarkConfig
from hybridir.data import Benchmark
from hybridir.data.benchmark import Reading
from hybridir.data.contamination.overlap import find_overlaps
from hybridir.data.load import load_benchmark, load_reading
from hybridir.data.readers.lareqa import LareqaTexts, load_lareqa
from hybridir.encoder.third_party import folder_digest, local_folder
from hybridir.errors import InputError
from hybridir.evaluation.reader.f1 import Read, gold_ranks, reader_table
from hybridir.evaluation.reader.fine_tune import Progress, Recipe, fine_tune, untrained_reader
from hybridir.evaluation.reader.stored_answers import STRETCH, StoredReader
from hybridir.evaluation.reader.windows import check_lengths
from hybridir.evaluation.summary import macro_means
from hybridir.languages import LanguageSetting
from hybridir.runtime.files import atomic_write, check_folder, read_json
from hybridir.runtime.memory import release_memory

Show = Callable[[str], AbstractContextManager[Progress]]
"""Opens a display of progress, under a name."""
_PACKAGES = ("torch", "transformers", "tokenizers", "accelerate")
_WEIGHTS = "reader"  # folder of the workspace


@dataclass(frozen=True)
class ReaderRequest:
    """Encoder, data and recipe of a reader.

    Attributes:
        encoder: folder or hub id.
        data: ``mlqa-r`` or ``xquad-r``, to train on.
        benchmark: the other one, whose gold paragraphs are read at the end.
        data_root: folder that holds both.
        out: folder of the reader, which must not exist yet.
        cache: folder of unfinished work and of answers; with that of a study, the study need not
            read the gold paragraphs again.
        languages: of the training data; None for all.
        revision: commit of a hub id.
        recipe: how to train.
    """

    encoder: str
    data: str
    benchmark: str
    data_root: Path
    out: Path
    cache: Path
    languages: LanguageSetting | None = None
    revision: str | None = None
    recipe: Recipe = field(default_factory=Recipe)

    def check(self) -> None:
        """Refuse what cannot be done, before the work begins.

        Raises:
            InputError: if files are in the way, or the recipe cannot be trained with.
        """
        if self.out.exists() and not (self.out.is_dir() and not any(self.out.iterdir())):
            raise InputError(
                f"out={self.out}: is there already, and a reader that has answered stays as it "
                "is; choose a folder that does not exist yet"
            )
        check_folder(f"out={self.out}: its folder", self.out.absolute().parent)
        check_folder(f"cache={self.cache}: the folder", self.cache)
        self.recipe.check()


def make_reader(request: ReaderRequest, say: Callable[[str], None], show: Show) -> dict[str, Any]:
    """Fine-tune a reader, read the gold paragraphs of the benchmark, and write its folder.

    Args:
        request: what to make.
        say: told what is trained on, in a line.
        show: shows the progress of training and of reading.

    Returns:
        The record, as in the folder's `names.READER_RECORD`: origin and recipe, and under
        ``ceiling`` what the reader gets right, see `read_gold`.

    Raises:
        InputError: if encoder, data or recipe cannot be used, or the benchmark is trained on.
        TrialError: if the training diverges.
    """
    request.check()
    folder = local_folder(request.encoder, request.revision)
    texts = load_lareqa(request.data_root / request.data, request.languages)
    report = BenchmarkConfig(name=request.benchmark)
    benchmark = load_benchmark(report, request.data_root)
    refuse_known(request.data, texts, benchmark)
    origin = _origin(request, folder, texts)
    identity = hashlib.sha256(json.dumps(origin).encode()).hexdigest()
    workspace = request.cache / f"reader-{identity[:24]}"
    request.cache.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(workspace.with_suffix(".lock"), timeout=0):
            say(
                f"{request.data}: {origin['pairs']} questions with their paragraphs in "
                f"{' '.join(origin['languages'])}; none of them is in {benchmark.name}"
            )
            record = origin | _trained(folder, texts, request.recipe, workspace, show)
            release_memory()  # a reader's weights, gradients and moments
            reader = StoredReader(workspace / _WEIGHTS, request.cache)
            reading = load_reading(report, request.data_root)
            with show(f"reading the gold paragraphs of {benchmark.name}") as progress:
                ceiling = read_gold(benchmark, reading, reader, progress)
            record |= {"reader_digest": reader.digest, "ceiling": ceiling}
            with atomic_write(request.out) as unfinished:
                shutil.copytree(workspace / _WEIGHTS, unfinished)
                _write(unfinished / names.READER_RECORD, record)
            shutil.rmtree(workspace)
    except Timeout:
        raise InputError(
            f"cache={request.cache}: another process is making this reader; wait for its end"
        ) from None
    return record


def refuse_known(data: str, texts: LareqaTexts, benchmark: Benchmark) -> None:
    """Refuse training data that share a question or a paragraph with a benchmark.

    The rules are those of a study (`hybridir.data.contamination`), with whole paragraphs, since
    a reader sees these.

    Raises:
        InputError: with what is shared.
    """
    paragraphs = [row.paragraph for row in texts.answered()]
    overlaps = find_overlaps(replace(texts.pairs(), passage=paragraphs), [benchmark])
    if overlaps:
        raise InputError.collect(
            f"a reader that is trained on {data} knows what {benchmark.name} asks, so that its F1 "
            "there would be no ceiling; choose other data, or another benchmark",
            map(str, overlaps),
        )


def read_gold(
    benchmark: Benchmark,
    reading: Reading,
    read: Read,
    progress: Progress = lambda step, steps: None,
) -> dict[str, Any]:
    """Read every question's gold paragraph in the question's own language.

    Args:
        benchmark: questions.
        reading: paragraphs and gold answers of the same data.
        read: see `hybridir.evaluation.reader.f1.reader_table`.
        progress: told of distinct pairs.

    Returns:
        ``benchmark`` and its digest, the number of ``pairs``, the macro mean over languages of
        each of `names.READER_MEASURES`, and under ``languages`` the same for each language.
    """

    def in_stretches(questions: Sequence[str], paragraphs: Sequence[str]) -> list[str]:
        answers: list[str] = []
        progress(0, len(questions))
        for start in range(0, len(questions), STRETCH):
            stretch = slice(start, start + STRETCH)
            answers += read(questions[stretch], paragraphs[stretch])
            progress(len(answers), len(questions))
        return answers

    ranks = gold_ranks(benchmark)
    table = reader_table(benchmark, reading, ranks, in_stretches, [names.MONOLINGUAL])
    groups = table.groupby(names.QUERY_LANGUAGE, observed=True)
    return {
        "benchmark": benchmark.name,
        "benchmark_digest": benchmark.digest,
        "pairs": len(table),
        **macro_means(table, names.READER_MEASURES)[names.MONOLINGUAL],
        "languages": {
            str(code): {"pairs": len(rows), **rows[list(names.READER_MEASURES)].mean().to_dict()}
            for code, rows in groups
        },
    }


def _origin(request: ReaderRequest, folder: Path, texts: LareqaTexts) -> dict[str, Any]:
    """What decides the weights, on one kind of machine."""
    questions = texts.answered()
    content = json.dumps([asdict(row) for row in questions], ensure_ascii=False)
    lengths = asdict(request.recipe.lengths)
    return {
        "encoder": request.encoder if request.revision else folder.resolve().name,
        "revision": request.revision,
        "encoder_digest": folder_digest(folder),
        "data": request.data,
        "data_digest": hashlib.sha256(content.encode()).hexdigest(),
        "languages": sorted({row.language for row in questions}),
        "pairs": len(questions),
        **{name: value for name, value in asdict(request.recipe).items() if name != "lengths"},
        **{name: lengths[name] for name in ("window_length", "overlap", "question_length")},
        "versions": {name: version(name) for name in _PACKAGES} | {"hybridir": __version__},
    }


def _trained(
    folder: Path, texts: LareqaTexts, recipe: Recipe, workspace: Path, show: Show
) -> dict[str, Any]:
    """Train, unless an earlier call has; the weights lie in the workspace then.

    Returns:
        What `fine_tune` returns.
    """
    weights = workspace / _WEIGHTS
    facts = weights / names.READER_RECORD
    if not facts.is_file():
        reader = untrained_reader(folder, recipe.seed)
        try:
            check_lengths(reader, recipe.lengths)
        except InputError as error:
            raise InputError(
                f"encoder {str(folder)!r}: {error}; choose an encoder that takes longer texts"
            ) from None
        with show("training") as progress:
            training = fine_tune(reader, texts.answered(), recipe, workspace, progress)
        with atomic_write(weights) as unfinished:
            reader.model.save_pretrained(unfinished)
            reader.tokenizer.save_pretrained(unfinished)
            _write(unfinished / names.READER_RECORD, asdict(training))
    content: dict[str, Any] = read_json(facts, dict[str, Any], f"remove {workspace}")
    return content


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
