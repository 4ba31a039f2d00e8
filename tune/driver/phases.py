"""The three phases of a study: search, confirmation over the mixing ratio, baselines."""

import uuid
from collections.abc import Callable
from typing import Any

import optuna
from ray import tune as ray_tune

from hybridir import names
from hybridir.config import TrialConfig
from hybridir.data import load_training
from hybridir.errors import InputError
from hybridir.export.select import best_confirmed
from hybridir.runtime.seeds import derive_seed
from tune.driver.callback import Silent, StudyCallback, folder_name
from tune.folders import RunFolder, TrialFolder, cache_folder, search_trial
from tune.record.tracking import Tracker
from tune.searching.searcher import (
    JournalSearcher,
    best_trial,
    mean_objective,
    own_number,
    start_study,
)
from tune.searching.stopping import EarlyStopping, fidelities
from tune.searching.warm_start import ORIGIN, record_data, warm_start
from tune.space.parameters import Value, describe, settings_of
from tune.space.ranges import active_parameters
from tune.space.samplers import make_sampler
from tune.space.settings import SearchConfig
from tune.study.baselines import baselines_to_run
from tune.study.confirmation import ConfirmConfig
from tune.study.file import StudyConfig
from tune.view.narrator import Narrator
from tune.worker.processes import trial_resources
from tune.worker.spec import TrialSpec
from tune.worker.trainable import train_trial

# Ray retries without limit: the trial counts its own failures, and knows whether it got further;
# see `tune.worker.attempts`.
_ALWAYS = -1
# Distinguishes the attempts of this driver from those of an earlier one.
_DRIVER = uuid.uuid4().hex


class PhaseRunner:
    """Runs the trials of one study on Ray.

    Args:
        study: the settings.
        folder: run folder; trials that ended there are not repeated.
        tracker: writes to MLflow.
        narrator: reports to the user.
        concurrent: see `JournalSearcher`.
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
            The parameters of the best trial with the whole budget.

        Raises:
            InputError: if no trial completed.
        """
        search = self._study.search
        assert search is not None, "called only if the study has a search"
        optuna_study = start_study(
            self._folder.journal, self._study.name, search.objectives, self._study.space
        )
        data = load_training(self._study.data)  # in memory since the study was checked
        digests = {
            "train": data.pairs.digest,
            **({names.DEV: data.dev.digest} if data.dev else {}),
        }
        record_data(optuna_study, digests)
        proposals: list[dict[str, Value]] = []
        if search.warm_start:
            start = warm_start(optuna_study, self._study, self._folder)
            self._narrator.say(start.message)
            proposals = start.proposals
        shares = fidelities(search.scheduler, search.first_rung, search.reduction)
        searcher = self._searcher(search, optuna_study, shares, proposals)
        searcher.recover()
        if searcher.remaining > 0:
            self._narrator.phase(
                names.PHASE_SEARCH,
                searcher.remaining,
                f"{search.sampler} over {', '.join(self._study.space)}, maximises "
                f"{' and '.join(search.objectives)}",
                search.objectives,
                _best_so_far(optuna_study),
            )
            scheduler = None
            if search.scheduler != "none":
                scheduler = EarlyStopping(
                    searcher,
                    search.scheduler,
                    search.objectives[0],
                    steps=[round(100 * share) for share in shares],
                    reduction=search.reduction,
                )
            self._fit(
                names.PHASE_SEARCH,
                lambda config: active_parameters(settings_of(config), self._study.space),
                ray_tune.TuneConfig(
                    search_alg=searcher, scheduler=scheduler, num_samples=searcher.remaining
                ),
                {},
            )
        best = best_trial(optuna_study)
        if best is None:
            raise InputError(
                f"no search trial completed; the reasons are in {self._folder.path}/trials"
            )
        number = own_number(best)
        trial = best.user_attrs[ORIGIN] if number is None else f"trial {number:03d}"
        metric = search.objectives[0] if len(search.objectives) == 1 else "mean of the objectives"
        self._narrator.say(
            f"best configuration: {describe(best.params)}  "
            f"({metric} {mean_objective(best):.4f}, {trial})"
        )
        return dict(best.params)

    def _searcher(
        self,
        search: SearchConfig,
        optuna_study: optuna.Study,
        shares: list[float],
        proposals: list[dict[str, Value]],
    ) -> JournalSearcher:
        seed = derive_seed(self._study.seed, "sampler")
        return JournalSearcher(
            optuna_study,
            self._folder,
            self._study.space,
            search,
            sampler=lambda number: make_sampler(
                search.sampler,
                self._study.space,
                seed=seed,
                number=number,
                startup_trials=search.startup_trials,
                fixed=proposals[number] if number < len(proposals) else None,
            ),
            make_spec=lambda number, parameters: self._spec(
                search_trial(number),
                self._study.trial(
                    parameters,
                    seed=self._study.search_seed(number),
                    report=False,
                ),
                shares,
            ),
            concurrent=self._concurrent,
        )

    def confirm(self, at: dict[str, Value]) -> None:
        """Measure the curve over the mixing ratio on the reported benchmarks, with several seeds.

        Args:
            at: the other parameters.
        """
        confirm = self._study.confirm
        assert confirm is not None, "called only if the study has a confirmation"
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
            f"{_repetitions(confirm)}, at {_describe_without_ratio(at)}",
            lambda config: {names.MIXING_RATIO: config.batch.mixing_ratio},
        )

    def baselines(self, at: dict[str, Value]) -> None:
        """Measure the baselines of hybrid batches, except those that the confirmation trains.

        Args:
            at: the parameters of trained baselines, except their kind of batches.
        """
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
            self._narrator.phase(phase, len(specs), description)
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
            driver=_DRIVER,
        )
        return spec.as_ray_config()

    def _fit(
        self,
        phase: str,
        parameters_of: Callable[[TrialConfig], dict[str, Value]],
        tune_config: ray_tune.TuneConfig,
        param_space: dict[str, Any],
    ) -> None:
        tune_config.reuse_actors = True
        tune_config.trial_name_creator = folder_name
        tune_config.trial_dirname_creator = folder_name
        resources = self._study.resources
        bundles = trial_resources(
            cpu=resources.cpu, gpu=resources.gpu, processes=resources.processes
        )
        ray_tune.Tuner(
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
        ).fit()


def best_of_confirmation(folder: RunFolder) -> TrialFolder | None:
    """The confirmed trial of the first seed with the best dev mAP, whose encoder is kept.

    The reported benchmarks do not influence the choice. None without a development benchmark.
    """
    best = best_confirmed(folder.path / names.RUN_TRIALS)
    return TrialFolder(best) if best else None


def _best_so_far(study: optuna.Study) -> tuple[float, str] | None:
    """Value and name of the best trial of an earlier driver or a warm start."""
    best = best_trial(study)
    if best is None:
        return None
    number = own_number(best)
    return mean_objective(best), best.user_attrs[ORIGIN] if number is None else search_trial(
        number
    )


def _repetitions(confirm: ConfirmConfig) -> str:
    seeds = f"{confirm.seeds} seed{'s' if confirm.seeds > 1 else ''} each"
    if confirm.data_parts is None:
        return seeds
    return f"{seeds} on each of {confirm.data_parts} parts of the data"


def _describe_without_ratio(parameters: dict[str, Value]) -> str:
    without = {name: value for name, value in parameters.items() if name != names.MIXING_RATIO}
    return describe(without) or "the study defaults"
