"""The three phases of a study: the search, the confirmation over the mixing ratio, baselines."""

from collections.abc import Callable
from functools import partial
from typing import Any

import optuna
from ray import tune as ray_tune

from hybridir import names
from hybridir.config import TrialConfig
from hybridir.data import load_training
from hybridir.errors import InputError
from hybridir.export.select import best_confirmed
from hybridir.runtime.seeds import derive_seed
from tune.driver.callback import Silent, StudyCallback, settle, trial_name
from tune.folders import RunFolder, TrialFolder, cache_folder, search_trial
from tune.record.tracking import Tracker
from tune.searching.searcher import TruthfulSearcher, best_trial, own_number, score, start_study
from tune.searching.stopping import Stopping, fidelities
from tune.searching.warm_start import ORIGIN, note_data, warm_start
from tune.space.parameters import Value, describe, settings_of
from tune.space.ranges import existing
from tune.space.samplers import make_sampler
from tune.space.settings import SearchConfig
from tune.study.baselines import baselines_to_run
from tune.study.confirmation import ConfirmConfig
from tune.study.file import StudyConfig
from tune.view.narrator import Narrator
from tune.worker.processes import trial_resources
from tune.worker.trainable import train_trial, trial_spec

# The trial itself counts, and knows whether it got further; see `tune.worker.attempts`.
_ALWAYS = -1


class Phases:
    """Runs the trials of one study on Ray.

    Args:
        study: the settings.
        folder: where everything is kept; trials that ended there are not repeated.
        tracker: writes to MLflow.
        narrator: tells the user.
        concurrent: see `TruthfulSearcher`.
    """

    def __init__(
        self,
        study: StudyConfig,
        folder: RunFolder,
        tracker: Tracker,
        narrator: Narrator,
        concurrent: int = 0,
    ) -> None:
        self._study = study
        self._folder = folder
        self._tracker = tracker
        self._narrator = narrator
        self._concurrent = concurrent

    def search(self) -> dict[str, Value]:
        """Search the space.

        Returns:
            The parameters of the best trial that had the whole budget.

        Raises:
            InputError: if no trial did.
        """
        search = self._study.search
        assert search is not None, "asked for only where there is a search"
        optuna_study = start_study(
            self._folder.journal, self._study.name, search.objectives, self._study.space
        )
        data = load_training(self._study.data)  # in memory since the study was checked
        digests = {
            "train": data.pairs.digest,
            **({names.DEV: data.dev.digest} if data.dev else {}),
        }
        note_data(optuna_study, digests)
        first: list[dict[str, Value]] = []
        if search.warm_start:
            start = warm_start(optuna_study, self._study, self._folder)
            self._narrator.say(start.told)
            first = start.first
        shares = fidelities(search.scheduler, search.first_rung, search.reduction)
        searcher = self._searcher(search, optuna_study, shares, first)
        if searcher.remaining > 0:
            self._narrator.phase(
                names.PHASE_SEARCH,
                searcher.remaining,
                f"{search.sampler} over {', '.join(self._study.space)}, maximises "
                f"{' and '.join(search.objectives)}",
                search.objectives,
                _standing_best(optuna_study),
            )
            scheduler = None
            if search.scheduler != "none":
                scheduler = Stopping(
                    searcher,
                    search.scheduler,
                    search.objectives[0],
                    steps=[round(100 * share) for share in shares],
                    reduction=search.reduction,
                )
            self._fit(
                names.PHASE_SEARCH,
                lambda config: existing(settings_of(config), self._study.space),
                ray_tune.TuneConfig(
                    search_alg=searcher, scheduler=scheduler, num_samples=searcher.remaining
                ),
                {},
            )
        best = best_trial(optuna_study)
        if best is None:
            raise InputError(
                f"no search trial went to its end; the reasons are in {self._folder.path}/trials"
            )
        number = own_number(best)
        where = best.user_attrs[ORIGIN] if number is None else f"trial {number:03d}"
        what = search.objectives[0] if len(search.objectives) == 1 else "mean of the objectives"
        self._narrator.say(
            f"best configuration: {describe(best.params)}  ({what} {score(best):.4f}, {where})"
        )
        return dict(best.params)

    def _searcher(
        self,
        search: SearchConfig,
        optuna_study: optuna.Study,
        shares: list[float],
        first: list[dict[str, Value]],
    ) -> TruthfulSearcher:
        seed = derive_seed(self._study.seed, "sampler")
        return TruthfulSearcher(
            optuna_study,
            self._study.space,
            search.objectives,
            search.trials,
            sampler=lambda number: make_sampler(
                search.sampler,
                self._study.space,
                seed=seed,
                number=number,
                startup_trials=search.startup_trials,
                fixed=first[number] if number < len(first) else None,
            ),
            folder=lambda number: self._folder.trial(search_trial(number)),
            make_spec=lambda number, parameters: self._spec(
                search_trial(number),
                self._study.trial(
                    parameters,
                    seed=self._study.search_seed(number),
                    report=False,
                ),
                shares,
            ),
            settle=partial(settle, objectives=search.objectives),
            concurrent=self._concurrent,
        )

    def confirm(self, at: dict[str, Value]) -> None:
        """Measure the curve over the mixing ratio, several seeds each, on what is reported."""
        confirm = self._study.confirm
        assert confirm is not None, "asked for only where there is a confirmation"
        specs = []
        # Seed by seed, so that an interrupted confirmation has whole curves.
        for index, repeat in enumerate(self._study.repeats):
            for ratio in confirm.mixing_ratio:
                name = names.trial_name(names.PHASE_CONFIRM, f"a{ratio:g}-s{index}")
                if self._folder.trial(name).outcome is None:
                    config = self._study.trial(
                        {**at, names.MIXING_RATIO: ratio},
                        seed=repeat.seed,
                        report=True,
                        data_part=repeat.data_part,
                    )
                    specs.append(self._spec(name, config, [1.0], keep_encoder=index == 0))
        self._measure(
            names.PHASE_CONFIRM,
            specs,
            f"mixing ratio {', '.join(f'{r:g}' for r in confirm.mixing_ratio)} with "
            f"{_often(confirm)}, at {describe(_others(at)) or 'the study defaults'}",
            lambda config: {names.MIXING_RATIO: config.batch.mixing_ratio},
        )

    def baselines(self, at: dict[str, Value]) -> None:
        """Measure what hybrid batches are held against, but for what is confirmed already."""
        specs = [
            self._spec(baseline.trial, baseline.config(self._study, at), [1.0])
            for baseline in baselines_to_run(self._study)
            if self._folder.trial(baseline.trial).outcome is None
        ]
        self._measure(
            names.PHASE_BASELINE,
            specs,
            f"{', '.join(self._study.baselines)}, trained at "
            f"{describe(_others(at)) or 'the study defaults'}",
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
        what: str,
        shown: Callable[[TrialConfig], dict[str, Value]],
    ) -> None:
        """Run trials that are all known beforehand."""
        if specs:
            self._narrator.phase(phase, len(specs), what)
            trials = ray_tune.grid_search([spec["trial"] for spec in specs])
            self._fit(phase, shown, ray_tune.TuneConfig(), {"trial": trials})

    def _spec(
        self, name: str, config: TrialConfig, fidelities: list[float], keep_encoder: bool = False
    ) -> dict[str, Any]:
        folder, asked = self._folder.trial(name), self._study.resources
        folder.write(names.ARTIFACT_CONFIG, config.model_dump(mode="json"))
        return trial_spec(
            folder=folder.path,
            cache=cache_folder(self._study.storage),
            config=config.model_dump_json(),
            fidelities=fidelities,
            keep_encoder=keep_encoder,
            cpu=asked.cpu,
            gpu=asked.gpu,
            processes=asked.processes,
            max_failures=asked.max_failures,
        )

    def _fit(
        self,
        phase: str,
        shown: Callable[[TrialConfig], dict[str, Value]],
        tune_config: ray_tune.TuneConfig,
        param_space: dict[str, Any],
    ) -> None:
        tune_config.reuse_actors = True
        tune_config.trial_name_creator = trial_name
        tune_config.trial_dirname_creator = trial_name
        asked = self._study.resources
        resources = trial_resources(cpu=asked.cpu, gpu=asked.gpu, processes=asked.processes)
        ray_tune.Tuner(
            ray_tune.with_resources(train_trial, resources),
            param_space=param_space,
            tune_config=tune_config,
            run_config=ray_tune.RunConfig(
                name=phase,
                storage_path=str(self._folder.ray.resolve()),
                failure_config=ray_tune.FailureConfig(max_failures=_ALWAYS),
                callbacks=[
                    StudyCallback(self._folder, self._tracker, self._narrator, shown),
                    Silent(),
                ],
                verbose=0,
            ),
        ).fit()


def best_of_confirmation(folder: RunFolder) -> TrialFolder | None:
    """The confirmed trial of the first seed with the best dev mAP, whose encoder is worth keeping.

    The benchmarks that are reported on have no say in it. None without a development benchmark.
    """
    best = best_confirmed(folder.path / names.RUN_TRIALS)
    return TrialFolder(best) if best else None


def _standing_best(study: optuna.Study) -> tuple[float, str] | None:
    """Value and name of the best trial that an earlier driver left, or a warm start brought."""
    best = best_trial(study)
    if best is None:
        return None
    number = own_number(best)
    return score(best), best.user_attrs[ORIGIN] if number is None else search_trial(number)


def _often(confirm: ConfirmConfig) -> str:
    seeds = f"{confirm.seeds} seed{'s' if confirm.seeds > 1 else ''} each"
    if confirm.data_parts is None:
        return seeds
    return f"{seeds} on each of {confirm.data_parts} parts of the data"


def _others(parameters: dict[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in parameters.items() if name != names.MIXING_RATIO}
