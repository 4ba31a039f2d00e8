"""Starts a search from the trials of an earlier run.

If every setting that decides a value is equal, the earlier trials are as good as new ones: they
are imported with their values, and the sampler learns from them. Otherwise their values do not
transfer, but their best parameters are a good guess and are proposed first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import NSGAIISampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from hybridir.errors import InputError
from tune.folders import RunFolder, list_runs, search_trial
from tune.searching.searcher import best_first, open_study, own_number
from tune.space.parameters import Value
from tune.space.ranges import Space, contains, restrict
from tune.study.file import StudyConfig
from tune.study.recorded import read_recorded

# User attribute of an imported trial: folder of the trial that was imported.
ORIGIN = "imported_from"
# User attributes of the search.
_DONE = "warm_start"
_DATA = "data"
# Settings that decide the value of a trial, beside its parameters and its seed. The reported
# benchmarks do not.
_DECISIVE = ("train", "tune_on", "dev_share", "encoder", "batch", "training", "evaluation")


@dataclass(frozen=True)
class WarmStart:
    """What a search takes over from an earlier run.

    Attributes:
        message: a line for the user.
        proposals: parameters of the first proposals, one dictionary per trial.
    """

    message: str
    proposals: list[dict[str, Value]]


def find_source(storage: Path, source: str, current: Path | None = None) -> RunFolder:
    """The run that `search.warm_start` names.

    Args:
        storage: storage of the study.
        source: name of a study in the storage, meaning its newest run, or a run's folder.
        current: folder of the run that is warm-started, which is never its own source.

    Raises:
        InputError: if there is no such run, or it had no search.
    """
    if (Path(source) / "study.yaml").is_file():
        runs = [RunFolder(Path(source))]
    else:
        excluded = current.resolve() if current else None
        runs = [
            run
            for run in list_runs(storage, source)
            if run.study_file.is_file() and run.path.resolve() != excluded
        ]
    if not runs:
        raise InputError(
            f"search.warm_start={source}: neither an earlier study under {storage} nor a run's "
            "folder; name one of these, or leave warm_start out"
        )
    if not runs[-1].journal.is_file():
        raise InputError(f"search.warm_start={source}: {runs[-1].path} had no search")
    return runs[-1]


def record_data(optuna_study: optuna.Study, digests: Mapping[str, str]) -> None:
    """Record the data that the trials of a search are trained and scored on.

    Args:
        optuna_study: the search.
        digests: digest of each data set.
    """
    if _DATA not in optuna_study.user_attrs:
        optuna_study.set_user_attr(_DATA, dict(digests))


def warm_start(optuna_study: optuna.Study, study: StudyConfig, folder: RunFolder) -> WarmStart:
    """Bring the trials of the earlier run into a search; a second call changes nothing.

    Args:
        optuna_study: the search, with its data recorded.
        study: its settings, `search.warm_start` included.
        folder: its run.

    Raises:
        InputError: if the earlier run does not exist or cannot be read.
    """
    search = study.search
    assert search is not None and search.warm_start, "called only if the study has a warm start"
    if done := optuna_study.user_attrs.get(_DONE):
        return WarmStart(done["told"], done["first"])
    source = find_source(study.storage, search.warm_start, folder.path)
    earlier_study, _ = read_recorded(source)
    earlier = open_study(source.journal, earlier_study.name)
    complete = earlier.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    changed = _differences(earlier_study, study)
    if earlier.user_attrs.get(_DATA) != optuna_study.user_attrs.get(_DATA):
        changed.append("the data themselves")
    if changed:
        best = best_first(earlier, complete)
        result = _best_first(best, study.space, search.startup_trials, source, changed)
    else:
        result = _import(complete, optuna_study, study.space, source)
    # Last: an interrupted warm start is done again, and imports nothing twice.
    optuna_study.set_user_attr(_DONE, {"told": result.message, "first": result.proposals})
    return result


def _import(
    complete: list[FrozenTrial], into: optuna.Study, space: Space, source: RunFolder
) -> WarmStart:
    imported = {trial.user_attrs.get(ORIGIN) for trial in into.get_trials(deepcopy=False)}
    fitting = [trial for trial in complete if contains(space, trial.params)]
    for trial in fitting:
        if (origin := _origin(trial, source)) not in imported:
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
        f"warm start: imported {len(fitting)} trials of {source.path} with their values, since "
        "every setting that decides a value is equal"
        + (f"; {outside} lie outside the space" if outside else ""),
        [],
    )


def _best_first(
    best: list[FrozenTrial],
    space: Space,
    limit: int,
    source: RunFolder,
    changed: list[str],
) -> WarmStart:
    proposals: list[dict[str, Value]] = []
    for trial in best:
        parameters = restrict(trial.params, space)
        if parameters and parameters not in proposals:
            proposals.append(parameters)
    proposals = proposals[:limit]
    return WarmStart(
        f"warm start: first measures the best {len(proposals)} parameters of {source.path} again, "
        f"since its values do not transfer; these settings differ: {', '.join(changed)}",
        proposals,
    )


def _origin(trial: FrozenTrial, source: RunFolder) -> str:
    """Folder in which a trial ran: in the source, or where the source imported it from."""
    number = own_number(trial)
    if number is None:
        return str(trial.user_attrs[ORIGIN])
    return str(source.trial(search_trial(number)).path)


def _differences(earlier: StudyConfig, now: StudyConfig) -> list[str]:
    """Settings that decide a value and differ."""
    differing = []
    for section in _DECISIVE:
        a, b = (_plain(getattr(study, section)) for study in (earlier, now))
        if isinstance(a, dict) and isinstance(b, dict):
            differing += [f"{section}.{key}" for key in a if a[key] != b[key]]
        elif a != b:
            differing.append(section)
    objectives = [study.search.objectives if study.search else () for study in (earlier, now)]
    return differing + (["search.objective"] if objectives[0] != objectives[1] else [])


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
