"""The trials of a study, and those whose settings are known before it runs."""

import warnings
from collections.abc import Collection, Iterator, Mapping

import optuna
import yaml
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler

from hybridir import names
from hybridir.config import TrialConfig
from hybridir.errors import InputError
from hybridir.runtime.seeds import derive_seed
from tune.folders import search_trial
from tune.space.parameters import Value
from tune.space.ranges import propose
from tune.space.samplers import make_sampler
from tune.study.baselines import baseline_parameters, baselines_to_run
from tune.study.confirmation import Repeat
from tune.study.file import StudyConfig

# Samplers whose proposals do not depend on the figures of earlier trials.
_REGARDLESS = ("grid", "quasi-random", "random")
_SHOWN = 8  # names of trials that a message lists

_Trials = dict[str, TrialConfig | None]
"""Trials by name; None where a search decides the settings."""


def proposal_sampler(
    study: StudyConfig, number: int, fixed: Mapping[str, Value] | None = None
) -> BaseSampler:
    """The sampler that proposes a search trial.

    Args:
        study: the settings, with a search.
        number: number of the trial, from 0.
        fixed: parameters that are not sampled, with their values.
    """
    search = study.search
    assert search is not None, "asked only of a study with a search"
    return make_sampler(
        search.sampler,
        study.space,
        seed=derive_seed(study.seed, "sampler"),
        number=study.proposal(number),
        startup_trials=search.startup_trials,
        fixed=fixed,
        arguments=search.sampler_arguments,
    )


def confirmed_trials(
    study: StudyConfig, at: dict[float, dict[str, Value]]
) -> Iterator[tuple[str, Repeat, TrialConfig]]:
    """The trials of the confirmation, whole designs seed by seed.

    An interrupted confirmation so has whole designs.

    Args:
        study: the settings, with a confirmation.
        at: mixing ratio -> parameters that the design does not list.

    Yields:
        (name, repeat, configuration).
    """
    confirm = study.confirm
    assert confirm is not None, "asked only of a study with a confirmation"
    for repeat in study.repeats:
        for condition in confirm.design:
            config = study.trial(
                {**at[float(condition[names.MIXING_RATIO])], **condition},
                seed=repeat.seed,
                report=True,
                data_part=repeat.data_part,
            )
            yield confirm.trial_name(condition, repeat.number), repeat, config


def planned_trial(study: StudyConfig, name: str) -> TrialConfig:
    """The configuration of a trial, without a run of its study.

    Args:
        study: the settings.
        name: name of the trial, such as ``confirm-a0.5-s0``.

    Raises:
        InputError: if the study has no such trial, or a search decides its settings.
    """
    numbers = {search_trial(n): n for n in range(study.search.trials)} if study.search else {}
    trials = _confirmation(study) | _baselines(study)
    if name not in numbers and name not in trials:
        raise InputError(
            f"trial {name!r}: the study has none of this name; it has {_few([*trials, *numbers])}"
        )
    config = _searched(study, numbers[name]) if name in numbers else trials[name]
    if config is None:
        raise InputError(
            f"trial {name!r}: the search decides its settings; once it has run, they are in "
            f"trials/{name}/{names.ARTIFACT_CONFIG} of the run"
        )
    return config


def trial_file(study: StudyConfig, name: str, config: TrialConfig) -> str:
    """The file of a trial, with the command that repeats the trial's figures.

    Args:
        study: the settings.
        name: name of the trial.
        config: its configuration.
    """
    content = config.model_dump(mode="json", exclude_none=True)
    content["data"].setdefault("tune_on", None)  # the only null that is no default
    resources = study.resources
    launcher = "hybridir"
    if resources.processes > 1:
        launcher = f"torchrun --nproc-per-node {resources.processes} -m hybridir"
    return (
        f"# Trial {name} of the study {study.name}. On the same kind of machine and with as many\n"
        "# threads, a training alone has the figures of a run of the study to the last digit:\n"
        f"#     OMP_NUM_THREADS={resources.cpu} {launcher} train trial.yaml FOLDER\n"
        f"{yaml.safe_dump(content, sort_keys=False)}"
    ).rstrip()


def _searched(study: StudyConfig, number: int) -> TrialConfig | None:
    assert study.search is not None, "asked only of a study with a search"
    if study.search.sampler not in _REGARDLESS or study.search.warm_start:
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        trial = optuna.create_study(sampler=proposal_sampler(study, number)).ask()
        parameters = propose(trial, study.space)
    return study.trial(parameters, seed=study.search_seed(number), report=False)


def _confirmation(study: StudyConfig) -> _Trials:
    confirm = study.confirm
    if confirm is None:
        return {}
    known = bool(confirm.points) or study.search is None
    at = {ratio: confirm.point(ratio) or {} for ratio in confirm.mixing_ratio}
    return {name: config if known else None for name, _, config in confirmed_trials(study, at)}


def _baselines(study: StudyConfig) -> _Trials:
    known = study.search is None or bool(study.confirm and isinstance(study.confirm.at, dict))
    at = baseline_parameters(study, {})
    return {
        baseline.trial: baseline.config(study, at) if known else None
        for baseline in baselines_to_run(study)
    }


def _few(trials: Collection[str]) -> str:
    shown = ", ".join(list(trials)[:_SHOWN])
    return f"{shown} and {len(trials) - _SHOWN} more" if len(trials) > _SHOWN else shown
