"""The trials that a study holds its hybrid batches against.

| baseline | what it is |
|---|---|
| untrained | the encoder as it comes: the floor |
| bm25 | words in common, each language's pool by its own statistics |
| en-en | batches of English alone |
| x-x | pairs in one language each, languages mixed in a batch |
| x-x-mono | batches in one language each: mixing ratio 1 |
| x-y | cross-lingual batches: mixing ratio 0 |
| hybrid | both kinds of batches: mixing ratio .5 |

Names and batches of the four in the middle are those of Roy et al. 2020, arXiv 2004.05484. All are
trained at the other parameters of the confirmation, with its seeds. Three of them are points on
the curve over the mixing ratio: what the confirmation trains is not trained again.
"""

from typing import NamedTuple

from hybridir import names
from hybridir.config import DataPart, TrialConfig
from tune.space.parameters import Value
from tune.study.file import StudyConfig


class Baseline(NamedTuple):
    """One trial of the baselines.

    Attributes:
        trial: its name, such as ``baseline-x-x-s1``.
        retriever: see `TrialConfig.retriever`.
        batches: parameters in which it differs from other trained trials.
        seed: of the trial.
        data_part: of the trial, see `tune.study.confirmation.Repeat`.
    """

    trial: str
    retriever: str
    batches: dict[str, Value]
    seed: int
    data_part: DataPart | None = None

    def config(self, study: StudyConfig, at: dict[str, Value]) -> TrialConfig:
        """Its configuration, at the other parameters of the confirmation."""
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

    BM25 and an encoder whose weights are given are the same whatever the seed, so that they have
    one trial. Of the others each has as many as there are seeds, seed by seed.
    """
    found = []
    for index, repeat in enumerate(study.repeats):
        for name in study.baselines:
            if (index and _is_fixed(study, name)) or _is_confirmed(study, name):
                continue
            alone = name in (names.UNTRAINED, names.BM25)
            found.append(
                Baseline(
                    names.trial_name(names.PHASE_BASELINE, f"{name}-s{index}"),
                    name if alone else "trained",
                    {} if alone else _batches(name),
                    *repeat,
                )
            )
    return found


def _is_fixed(study: StudyConfig, name: str) -> bool:
    given = study.encoder.from_scratch is None
    return name == names.BM25 or (name == names.UNTRAINED and given)


def _is_confirmed(study: StudyConfig, name: str) -> bool:
    """Whether the confirmation trains the very same; a kind that is searched is not known yet."""
    confirm = study.confirm
    if confirm is None or names.BASELINE_RATIOS.get(name) not in confirm.mixing_ratio:
        return False
    if isinstance(confirm.at, dict):
        return confirm.at.get("kind", study.batch.kind) == "hybrid"
    return study.batch.kind == "hybrid" and "kind" not in study.space


def _batches(name: str) -> dict[str, Value]:
    if name in names.BASELINE_RATIOS:
        return {"kind": "hybrid", names.MIXING_RATIO: names.BASELINE_RATIOS[name]}
    return {"kind": name}
