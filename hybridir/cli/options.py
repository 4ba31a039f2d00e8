"""Options of `hybridir evaluate` that cannot be obeyed are refused by name, before any work."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hybridir import names
from hybridir.errors import InputError
from hybridir.languages import check_languages, is_standard, tag_of

if TYPE_CHECKING:  # a command's help need not load the data's reading
    from hybridir.data import Benchmark


def idle_options(
    is_bm25: bool,
    of_encoders: Mapping[str, object],
    others: Sequence[tuple[str, object, str, object]],
) -> list[str]:
    """Options that would be dropped without a word.

    Args:
        is_bm25: whether BM25 is evaluated, which has no encoder.
        of_encoders: option -> value; None if it was left out.
        others: option, value, the option that it belongs to, and the value of that.
    """
    problems = [
        f"--{name.replace('_', '-')}: belongs to an encoder, and bm25 is none; leave it out"
        for name, value in of_encoders.items()
        if is_bm25 and value is not None
    ]
    problems += [
        f"{option}: belongs to {owner}; add it, or leave {option} out"
        for option, value, owner, present in others
        if value is not None and not present
    ]
    return problems


def where_data_are(
    benchmark: str, data_root: Path | None, folder: Path | None, table: Path | None
) -> list[str]:
    """What is wrong with the options that say where the benchmark is."""
    from hybridir.config.base import nearest
    from hybridir.config.benchmarks import KNOWN_BENCHMARKS, WITH_ANSWERS

    if benchmark not in KNOWN_BENCHMARKS and not (folder or table):
        return [
            f"--benchmark {benchmark}: is none of {', '.join(WITH_ANSWERS)}; a benchmark of your "
            "own needs --table FILE or --folder FOLDER beside its name"
            f"{nearest(benchmark, WITH_ANSWERS)}"
        ]
    own = [f"--folder {folder}"] if folder else [f"--table {table}"] if table else []
    if benchmark in WITH_ANSWERS and not own and data_root is None:
        return [f"--data-root: {benchmark} needs the folder that holds {benchmark}/"]
    if own and data_root is not None:
        return [f"--data-root: belongs to {' and '.join(WITH_ANSWERS)}, not to {own[0]}"]
    return []


def check_seen(codes: Sequence[str], benchmark: "Benchmark") -> str:
    """Check the languages that an encoder was trained on against those of a benchmark.

    Returns:
        A note on languages that change nothing; "" without any.

    Raises:
        InputError: if no language changes anything, or a code is neither known nor there.
    """
    check_languages(codes, "--seen")
    present = set(map(tag_of, benchmark.languages))
    absent = [code for code in codes if tag_of(code) not in present]
    languages = f"the languages of {benchmark.name} are {' '.join(benchmark.languages)}"
    unknown = [code for code in absent if not is_standard(code)]
    if unknown or (absent and len(absent) == len(codes)):
        raise InputError(f"--seen {','.join(unknown or absent)}: {languages}; leave --seen out")
    return f"note: --seen {','.join(absent)} changes nothing: {languages}" if absent else ""


def refuse_trial(folder: Path) -> None:
    """Name the encoder in the folder of a trial or a run, which is none itself.

    Raises:
        InputError: with the folder of the encoder, or the way to one.
    """
    if (folder / names.RUN_TRIALS).is_dir():
        raise InputError(
            f"{folder}: is the run of a study; hybridir export {folder} --out FOLDER gives its "
            "best encoder"
        )
    if not ((folder / names.ARTIFACT_CONFIG).is_file() and _is_of_trial(folder)):
        return
    encoder = folder / names.ARTIFACT_ENCODER
    if encoder.is_dir():
        raise InputError(f"{folder}: is the folder of a trial; its encoder is {encoder}")
    raise InputError(
        f"{folder}: is the folder of a trial that kept no encoder; to train one again, run "
        f"hybridir train {folder / names.ARTIFACT_CONFIG} FOLDER, and name FOLDER/encoder"
    )


def _is_of_trial(folder: Path) -> bool:
    """Whether a folder with a configuration is that of a trial; encoders have one as well."""
    return any(
        (folder / name).exists() for name in (names.ARTIFACT_RESULT, names.TRIAL_CHECKPOINT)
    )
