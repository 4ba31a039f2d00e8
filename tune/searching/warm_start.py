"""Starts a search from the trials of an earlier run.

Where everything that decides a value is equal, the earlier trials are as good as own ones: they
are imported with their values, and the sampler learns from them. Elsewhere their values mean
nothing here, but their best parameters are a good guess: these are proposed first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import NSGAIISampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from hybridir.errors import InputError
from tune.folders import RunFolder, runs, search_trial
from tune.searching.searcher import open_study, own_number, score
from tune.space.parameters import Value
from tune.space.ranges import Space, contains, inside
from tune.study.file import StudyConfig, load_study

# User attribute of an imported trial: where it ran.
ORIGIN = "imported_from"
_DONE = "warm_start"
_DATA = "data"
# What decides the value of a trial, beside its parameters and its seed. The benchmarks that are
# reported on do not.
_DECISIVE = ("train", "tune_on", "dev_share", "encoder", "batch", "training", "evaluation")


@dataclass(frozen=True)
class WarmStart:
    """What an earlier run gave to a search.

    Attributes:
        told: a line for the user.
        first: parameters that the first proposals take over, one dictionary a trial.
    """

    told: str
    first: list[dict[str, Value]]


def find_source(storage: Path, given: str, own: Path | None = None) -> RunFolder:
    """The run that `search.warm_start` names.

    Args:
        storage: of the study.
        given: the name of a study there, whose newest run is meant, or the folder of a run.
        own: folder of the run that asks, which is never meant.

    Raises:
        InputError: if there is no such run, or it had no search.
    """
    if (Path(given) / "study.yaml").is_file():
        found = [RunFolder(Path(given))]
    else:
        found = [
            run
            for run in runs(storage, given)
            if run.study_file.is_file() and (own is None or run.path.resolve() != own.resolve())
        ]
    if not found:
        raise InputError(
            f"search.warm_start={given}: there is no earlier study of this name under {storage}, "
            "and no run's folder of this path; name one, or leave it out"
        )
    if not found[-1].journal.is_file():
        raise InputError(f"search.warm_start={given}: {found[-1].path} had no search")
    return found[-1]


def note_data(optuna_study: optuna.Study, digests: Mapping[str, str]) -> None:
    """Write down which data the trials of a search learn from and are scored on.

    Args:
        optuna_study: of the search.
        digests: digest of each data set.
    """
    if _DATA not in optuna_study.user_attrs:
        optuna_study.set_user_attr(_DATA, dict(digests))


def warm_start(optuna_study: optuna.Study, study: StudyConfig, folder: RunFolder) -> WarmStart:
    """Bring the trials of the earlier run into a search; the second time it changes nothing.

    Args:
        optuna_study: of the search, with its data noted.
        study: its settings; `search.warm_start` is given.
        folder: its run.

    Raises:
        InputError: if there is no such run, or it cannot be read.
    """
    search = study.search
    assert search is not None and search.warm_start, "asked for only where there is one"
    if done := optuna_study.user_attrs.get(_DONE):
        return WarmStart(**done)
    source = find_source(study.storage, search.warm_start, folder.path)
    earlier_study = load_study(source.study_file, [])
    earlier = open_study(source.journal, earlier_study.name)
    complete = earlier.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    changed = _differences(earlier_study, study)
    if earlier.user_attrs.get(_DATA) != optuna_study.user_attrs.get(_DATA):
        changed.append("the data themselves")
    if changed:
        result = _best_first(complete, study.space, search.startup_trials, source, changed)
    else:
        result = _import(complete, optuna_study, study.space, source)
    # Last: without it, what was cut off is done again, and imports nothing twice.
    optuna_study.set_user_attr(_DONE, {"told": result.told, "first": result.first})
    return result


def _import(
    complete: list[FrozenTrial], into: optuna.Study, space: Space, source: RunFolder
) -> WarmStart:
    there = {trial.user_attrs.get(ORIGIN) for trial in into.get_trials(deepcopy=False)}
    fitting = [trial for trial in complete if contains(space, trial.params)]
    for trial in fitting:
        if (origin := _origin(trial, source)) not in there:
            into.add_trial(
                create_trial(
                    values=trial.values,
                    params=trial.params,
                    distributions={name: space[name].distribution for name in trial.params},
                    user_attrs={ORIGIN: origin},
                    # Without a generation, a genetic sampler would not breed from them.
                    system_attrs={NSGAIISampler._get_generation_key(): 0},
                )
            )
    outside = len(complete) - len(fitting)
    return WarmStart(
        f"warm start: {len(fitting)} trials of {source.path} are taken over with their values, "
        "since all that decides a value is equal"
        + (f"; {outside} lie outside the space" if outside else ""),
        [],
    )


def _best_first(
    complete: list[FrozenTrial], space: Space, most: int, source: RunFolder, changed: list[str]
) -> WarmStart:
    first: list[dict[str, Value]] = []
    for trial in sorted(complete, key=lambda trial: (-score(trial), trial.number)):
        parameters = inside(space, trial.params)
        if parameters and parameters not in first:
            first.append(parameters)
    return WarmStart(
        f"warm start: the best {len(first[:most])} parameters of {source.path} are measured anew "
        f"first, since its values do not hold here; these differ: {', '.join(changed)}",
        first[:most],
    )


def _origin(trial: FrozenTrial, source: RunFolder) -> str:
    """Where a trial ran: there, or where it was imported from."""
    number = own_number(trial)
    if number is None:
        return str(trial.user_attrs[ORIGIN])
    return str(source.trial(search_trial(number)).path)


def _differences(earlier: StudyConfig, now: StudyConfig) -> list[str]:
    """Settings that decide a value and are not the same."""
    found = []
    for section in _DECISIVE:
        a, b = (_plain(getattr(study, section)) for study in (earlier, now))
        if isinstance(a, dict) and isinstance(b, dict):
            found += [f"{section}.{key}" for key in a if a[key] != b[key]]
        elif a != b:
            found.append(section)
    objectives = [study.search.objectives if study.search else () for study in (earlier, now)]
    return found + (["search.objective"] if objectives[0] != objectives[1] else [])


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
