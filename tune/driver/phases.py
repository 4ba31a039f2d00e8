"""The three phases of a study: search, confirmation of a design, baselines."""

from collections.abc import Callable
from typing import Any

import optuna
from ray import tune as ray_tune
from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE

from hybridir import names
from hybridir.config import TrialConfig
from hybridir.errors import InputError
from tune.driver.callback import Silent, StudyCallback, folder_name
from tune.driver.checkpoints import DRIVER
from tune.driver.killed_workers import lost_when_killed
from tune.folders import RunFolder, cache_folder, search_trial
from tune.readiness.cluster import renew_after_clock_went_back
from tune.readiness.inputs import Inputs
from tune.record.tracking import Tracker
from tune.searching.searcher import (
    JournalSearcher,
    best_point,
    best_trial,
    objective,
    open_study,
    own_number,
    start_study,
)
from tune.searching.stopping import EarlyStopping, bracket_of, brackets
from tune.searching.warm_start import ORIGIN, record_data, warm_start
from tune.space.parameters import Value, describe, settings_of
from tune.space.ranges import active_parameters
from tune.space.settings import SearchConfig, direction, gain
from tune.study.baselines import baseline_parameters, baselines_to_run
from tune.study.confirmation import BEST, ConfirmConfig
from tune.study.file import StudyConfig
from tune.study.planned import confirmed_trials, proposal_sampler
from tune.view.narrator import Narrator
from tune.view.progress import planned_trials
from tune.worker.processes import trial_resources
from tune.worker.spec import TrialSpec
from tune.worker.trainable import train_trial

# Ray retries without limit: the trial counts its own failures, and knows whether it got further;
# see `tune.worker.attempts`.
_ALWAYS = -1


class PhaseRunner:
    """Runs the trials of one study on Ray.

    Args:
        study: the settings.
        folder: run folder; trials that ended there are not repeated.
        inputs: the data that its trials are to read.
        tracker: writes to MLflow.
        narrator: reports to the user.
        concurrent: see `JournalSearcher`.
    """

    def __init__(
        self,
        study: StudyConfig,
        folder: RunFolder,
        inputs: Inputs,
        tracker: Tracker,
        narrator: Narrator,
        concurrent: int = 0,
    ) -> None:
        self._study = study
        self._folder = folder
        self._inputs = inputs
        self._tracker = tracker
        self._narrator = narrator
        self._concurrent = concurrent

    def search(self) -> dict[str, Value]:
        """Search the space.

        Returns:
            The parameters of the best trial with the whole budget.

        Raises:
            InputError: if no trial completed.
        """
        search = self._study.search
        assert search is not None, "called only if the study has a search"
        optuna_study = start_study(
            self._folder.journal, self._study.name, search.objectives, self._study.space
        )
        record_data(
            optuna_study,
            {name: digest for name, digest, role in self._inputs.data if role != "reporting"},
        )
        proposals: list[dict[str, Value]] = []
        if search.warm_start:
            start = warm_start(optuna_study, self._study, self._folder)
            self._narrator.say(start.message)
            proposals = start.proposals
        searcher = self._searcher(search, optuna_study, proposals)
        searcher.recover()
        if searcher.remaining > 0:
            # With several seeds or objectives no single trial is the best so far.
            has_best = search.seeds == 1 and len(search.objectives) == 1
            self._narrator.phase(
                names.PHASE_SEARCH,
                searcher.remaining,
                f"{search.sampler} over {', '.join(self._study.space)}, "
                f"{_goal(search)}{_of_each_point(search.seeds)}",
                search.objectives[0] if has_best else "",
                _best_so_far(optuna_study) if has_best else None,
                total=planned_trials(self._study)[names.PHASE_SEARCH],
            )
            scheduler = None
            if search.scheduler != "none":
                scheduler = EarlyStopping(searcher, search)
            self._fit(
                names.PHASE_SEARCH,
                lambda config: active_parameters(
                    settings_of(config, self._study.space), self._study.space
                ),
                ray_tune.TuneConfig(
                    search_alg=searcher, scheduler=scheduler, num_samples=searcher.remaining
                ),
                {},
            )
        return self._best(optuna_study, search)

    def _best(self, optuna_study: optuna.Study, search: SearchConfig) -> dict[str, Value]:
        if search.seeds > 1:
            point = best_point(optuna_study, search.seeds)
            if point is None:
                raise self._incomplete(f"point completed with all its {search.seeds} seeds")
            parameters, value = point
            values = [gain(search.objectives[0], value)]
            source = f"mean of {search.seeds} seeds"
        else:
            best = best_trial(optuna_study)
            if best is None:
                raise self._incomplete("search trial completed")
            parameters, values = dict(best.params), best.values
            number = own_number(best)
            source = best.user_attrs[ORIGIN] if number is None else f"trial {number:03d}"
        figures = ", ".join(
            f"{metric} {value:.4f}"
            for metric, value in zip(search.objectives, values, strict=True)
        )
        best_is = best_of_search(search)
        self._narrator.say(f"{best_is}: {describe(parameters)}  ({figures}, {source})")
        return parameters

    def _searcher(
        self,
        search: SearchConfig,
        optuna_study: optuna.Study,
        proposals: list[dict[str, Value]],
    ) -> JournalSearcher:
        by_bracket = [list(bracket.fidelities) for bracket in brackets(search)]
        return JournalSearcher(
            optuna_study,
            self._folder,
            self._study.space,
            search,
            sampler=lambda number: proposal_sampler(
                self._study, number, proposals[number] if number < len(proposals) else None
            ),
            make_spec=lambda number, parameters: self._spec(
                search_trial(number),
                self._study.trial(
                    parameters,
                    seed=self._study.search_seed(number),
                    report=False,
                ),
                by_bracket[bracket_of(search, number)],
            ),
            concurrent=self._concurrent,
        )

    def confirm(self, best: dict[str, Value]) -> None:
        """Measure the design on the reported benchmarks, with several seeds.

        Args:
            best: the best parameters of the search; empty without one.
        """
        confirm = self._study.confirm
        assert confirm is not None, "called only if the study has a confirmation"
        at = {ratio: self._at(ratio, best) for ratio in confirm.mixing_ratio}
        specs = []
        first = self._study.repeats[0]
        for name, repeat, config in confirmed_trials(self._study, at):
            if self._folder.trial(name).outcome is None:
                keep_encoder = repeat == first and self._study.tune_on is not None
                specs.append(self._spec(name, config, [1.0], keep_encoder))
        per_ratio = confirm.per_ratio
        one_ratio = at[confirm.mixing_ratio[0]]
        shown = {names.MIXING_RATIO, *confirm.varied, *(one_ratio if per_ratio else ())}
        fixed = {**({} if per_ratio else one_ratio), **confirm.first}
        fixed = {name: value for name, value in fixed.items() if name not in confirm.varied}
        where = [_describe_without_ratio(fixed)] if fixed or not per_ratio else []
        if per_ratio:
            where.append(f"the {'' if confirm.points else 'best '}values of each ratio")
        self._measure(
            names.PHASE_CONFIRM,
            specs,
            f"{_crossing(confirm)}{_repetitions(confirm)}, at {' and '.join(where)}",
            lambda config: {n: v for n, v in settings_of(config, shown).items() if n in shown},
        )

    def _at(self, ratio: float, best: dict[str, Value]) -> dict[str, Value]:
        """The parameters of a confirmed ratio that the design does not list."""
        confirm, search = self._study.confirm, self._study.search
        assert confirm is not None, "called only if the study has a confirmation"
        if (point := confirm.point(ratio)) is not None:
            return point
        if confirm.at == BEST:
            return best
        assert search is not None, "the study file has one for best_per_ratio"
        best_of = best_point(
            open_study(self._folder.journal, self._study.name), search.seeds, ratio
        )
        if best_of is None:
            raise self._incomplete(
                f"point of mixing ratio {ratio:g} completed with all its {search.seeds} seeds"
            )
        parameters, value = best_of
        self._narrator.say(
            f"best at alpha={ratio:g}: {_describe_without_ratio(parameters)}  "
            f"({search.objectives[0]} {gain(search.objectives[0], value):.4f}, "
            f"mean of {search.seeds} seeds)"
        )
        return parameters

    def _incomplete(self, missing: str) -> InputError:
        return InputError(f"no {missing}; the reasons are in {self._folder.path}/trials")

    def baselines(self, best: dict[str, Value]) -> None:
        """Measure the baselines of hybrid batches, except those that the confirmation trains.

        Args:
            best: the best parameters of the search; empty without one.
        """
        at = baseline_parameters(self._study, best)
        specs = [
            self._spec(baseline.trial, baseline.config(self._study, at), [1.0])
            for baseline in baselines_to_run(self._study)
            if self._folder.trial(baseline.trial).outcome is None
        ]
        self._measure(
            names.PHASE_BASELINE,
            specs,
            f"{', '.join(self._study.baselines)}, trained at {_describe_without_ratio(at)}",
            lambda config: (
                {"retriever": config.retriever}
                if config.retriever != "trained"
                else {"kind": config.batch.kind, names.MIXING_RATIO: config.batch.mixing_ratio}
            ),
        )

    def _measure(
        self,
        phase: str,
        specs: list[dict[str, Any]],
        description: str,
        parameters_of: Callable[[TrialConfig], dict[str, Value]],
    ) -> None:
        """Run trials that are all known beforehand."""
        if specs:
            total = planned_trials(self._study)[phase]
            self._narrator.phase(phase, len(specs), description, total=total)
            trials = ray_tune.grid_search([spec["trial"] for spec in specs])
            self._fit(phase, parameters_of, ray_tune.TuneConfig(), {"trial": trials})

    def _spec(
        self, name: str, config: TrialConfig, fidelities: list[float], keep_encoder: bool = False
    ) -> dict[str, Any]:
        folder, resources = self._folder.trial(name), self._study.resources
        folder.write(names.ARTIFACT_CONFIG, config.model_dump(mode="json"))
        spec = TrialSpec(
            folder=str(folder.path.resolve()),
            cache=str(cache_folder(self._study.storage).resolve()),
            config=config.model_dump_json(),
            fidelities=tuple(fidelities),
            keep_encoder=keep_encoder,
            cpu=resources.cpu,
            gpu=resources.gpu,
            processes=resources.processes,
            max_failures=resources.max_failures,
            driver=DRIVER,
            data=self._inputs.digests,
        )
        return spec.as_ray_config()

    def _fit(
        self,
        phase: str,
        parameters_of: Callable[[TrialConfig], dict[str, Value]],
        tune_config: ray_tune.TuneConfig,
        param_space: dict[str, Any],
    ) -> None:
        if renew_after_clock_went_back():
            self._narrator.say("the clock went back: Ray was started anew")
        tune_config.reuse_actors = True
        tune_config.trial_name_creator = folder_name
        tune_config.trial_dirname_creator = folder_name
        resources = self._study.resources
        bundles = trial_resources(
            cpu=resources.cpu, gpu=resources.gpu, processes=resources.processes
        )
        tuner = ray_tune.Tuner(
            ray_tune.with_resources(train_trial, bundles),
            param_space=param_space,
            tune_config=tune_config,
            run_config=ray_tune.RunConfig(
                name=phase,
                storage_path=str(self._folder.ray.resolve()),
                failure_config=ray_tune.FailureConfig(max_failures=_ALWAYS),
                callbacks=[
                    StudyCallback(self._folder, self._tracker, self._narrator, parameters_of),
                    Silent(),
                ],
                verbose=0,
            ),
        )
        # Tune would hand these variables, AWS keys among them, to the workers in a runtime
        # environment, which Ray writes to a log. Workers have the environment of their node.
        ENV_VARS_TO_PROPAGATE.clear()
        with lost_when_killed():
            tuner.fit()


def best_of_search(search: SearchConfig) -> str:
    """Name what a search finds; its ratio is no answer, which the confirmed curve gives."""
    return f"best {'point' if search.seeds > 1 else 'trial'} of the search, on development data"


def _best_so_far(study: optuna.Study) -> tuple[float, str] | None:
    """Value and name of the best trial of an earlier driver or a warm start."""
    best = best_trial(study)
    if best is None:
        return None
    number = own_number(best)
    return objective(study, best), best.user_attrs[ORIGIN] if number is None else search_trial(
        number
    )


def _goal(search: SearchConfig) -> str:
    """The objectives: ``maximises dev/map_mean``."""
    return " and ".join(f"{direction(metric)[:-3]}ises {metric}" for metric in search.objectives)


def _of_each_point(seeds: int) -> str:
    return f", with {seeds} seeds of each point" if seeds > 1 else ""


def _crossing(confirm: ConfirmConfig) -> str:
    """The design: ``mixing ratio 0, 0.5 crossed with temperature 0.02, 0.05, ``."""
    ratios = f"mixing ratio {', '.join(f'{ratio:g}' for ratio in confirm.mixing_ratio)}"
    others = [
        f"{name.replace('_', ' ')} {', '.join(map(names.level_text, confirm.levels[name]))}"
        for name in confirm.varied
    ]
    return f"{ratios} crossed with {' and '.join(others)}, " if others else f"{ratios} with "


def _repetitions(confirm: ConfirmConfig) -> str:
    seeds = f"{confirm.seeds} seed{'s' if confirm.seeds > 1 else ''} each"
    if confirm.data_parts is None:
        return seeds
    return f"{seeds} on each of {confirm.data_parts} parts of the data"


def _describe_without_ratio(parameters: dict[str, Value]) -> str:
    without = {name: value for name, value in parameters.items() if name != names.MIXING_RATIO}
    return describe(without) or "the study defaults"
