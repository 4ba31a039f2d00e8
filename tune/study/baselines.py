"""The baselines with which a study compares hybrid batches.

| baseline | description |
|---|---|
| untrained | the encoder before training: the floor |
| bm25 | lexical overlap, with separate statistics for each language's pool |
| en-en | English batches alone |
| x-x | monolingual pairs, languages mixed within a batch |
| x-x-mono | monolingual batches: mixing ratio 1 |
| x-y | cross-lingual batches: mixing ratio 0 |
| hybrid | both kinds of batches: mixing ratio .5 |

Names and batches of the four in the middle are those of Roy et al. 2020, arXiv 2004.05484. Trained
baselines use the seeds and the other parameters of the confirmation: of those that it varies, the
first value, since baselines at every condition would cost more than the design itself. The last
three are points on the curve over the mixing ratio; those that the confirmation trains are not
trained again.
"""

from typing import NamedTuple

from hybridir import names
from hybridir.config import DataPart, TrialConfig
from tune.space.parameters import Value
from tune.study.file import StudyConfig


class Baseline(NamedTuple):
    """One trial of a baseline.

    Attributes:
        trial: name of the trial, such as ``baseline-x-x-s1``.
        retriever: see `TrialConfig.retriever`.
        batches: parameters that differ from other trained trials.
        seed: seed of the trial.
        data_part: part of the training data, see `tune.study.confirmation.Repeat`.
    """

    trial: str
    retriever: str
    batches: dict[str, Value]
    seed: int
    data_part: DataPart | None = None

    def config(self, study: StudyConfig, at: dict[str, Value]) -> TrialConfig:
        """Configuration of the trial, at the other parameters of the confirmation."""
        parameters = at | self.batches
        return study.trial(
            parameters,
            seed=self.seed,
            report=True,
            retriever=self.retriever,
            data_part=self.data_part,
        )


def baselines_to_run(study: StudyConfig) -> list[Baseline]:
    """The trials of a study's baselines, without those that the confirmation trains.

    BM25 and an encoder with pretrained weights do not depend on the seed and have one trial. Every
    other baseline has one trial per seed; the list is ordered seed by seed.
    """
    baselines = []
    first, *_ = study.repeats
    for repeat in study.repeats:
        for name in study.baselines:
            if (repeat != first and _is_fixed(study, name)) or _is_confirmed(study, name):
                continue
            learns = name not in (names.UNTRAINED, names.BM25)
            baselines.append(
                Baseline(
                    names.trial_name(names.PHASE_BASELINE, f"{name}-s{repeat.number}"),
                    "trained" if learns else name,
                    _batches(name) if learns else {},
                    repeat.seed,
                    repeat.data_part,
                )
            )
    return baselines


def baseline_parameters(study: StudyConfig, best: dict[str, Value]) -> dict[str, Value]:
    """The parameters of trained baselines, except their kind of batches.

    They are those of the confirmation, and the first value of each that it lists; where it has
    other parameters for each ratio, the best ones of the search, or the study's own without one.

    Args:
        study: the settings.
        best: the best parameters of the search; empty without one.
    """
    confirm = study.confirm
    if confirm is None:
        return best
    return {**(confirm.at if isinstance(confirm.at, dict) else best), **confirm.first}


def _is_fixed(study: StudyConfig, name: str) -> bool:
    pretrained = study.encoder.from_scratch is None
    return name == names.BM25 or (name == names.UNTRAINED and pretrained)


def _is_confirmed(study: StudyConfig, name: str) -> bool:
    """Whether the confirmation trains this baseline; False if the kind of batches is searched."""
    confirm = study.confirm
    if confirm is None or names.BASELINE_RATIOS.get(name) not in confirm.mixing_ratio:
        return False
    searched = study.space.get("kind") if study.search else None
    if searched and "kind" not in confirm.levels and not confirm.points:
        return False
    return confirm.values_of("kind", study.batch.kind, None)[0] == "hybrid"


def _batches(name: str) -> dict[str, Value]:
    if name in names.BASELINE_RATIOS:
        return {"kind": "hybrid", names.MIXING_RATIO: names.BASELINE_RATIOS[name]}
    return {"kind": name}
