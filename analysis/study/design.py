"""The design of a confirmation: what was crossed with the mixing ratio, and what was fixed."""

from collections.abc import Collection
from typing import Any, NamedTuple

import pandas as pd

from hybridir import names
from hybridir.inference import Condition

_NO_FACTORS = (names.MIXING_RATIO, names.SEED, names.DATA_PART, names.BASELINE)
_LEADING = (names.TEMPERATURE, names.BATCH_SIZE, names.PAIRS)


class StudyDesign(NamedTuple):
    """What the confirmation trials varied.

    Attributes:
        crossed: parameters whose values are crossed with the ratio, and these values.
        by_ratio: parameters of which each ratio has one value of its own.
        fixed: parameters with one value, and that value.
    """

    crossed: dict[str, list[Any]]
    by_ratio: tuple[str, ...]
    fixed: dict[str, Any]

    def condition(self, trial: "pd.Series[Any]") -> Condition:
        """Read a trial's values of the crossed parameters."""
        return tuple((name, plain(trial[name])) for name in self.crossed)


def study_design(
    trials: pd.DataFrame, parameters: tuple[str, ...], pairs: int | None = None
) -> StudyDesign:
    """Read the design off the confirmation trials.

    Args:
        trials: rows of `Study.trials`.
        parameters: columns of `trials` that were set.
        pairs: the budget in the study file, for trials that do not record theirs.
    """
    crossed: dict[str, list[Any]] = {}
    by_ratio: list[str] = []
    fixed: dict[str, Any] = {}
    order = [name for name in (*_LEADING, *parameters) if name in parameters]
    for name in dict.fromkeys(order):
        if name in _NO_FACTORS or name not in trials or trials.empty:
            continue
        values = trials[name].dropna().unique()
        if len(values) == 1:
            fixed[name] = plain(values[0])
        elif len(values) > 1:
            of_ratio = trials.groupby(names.MIXING_RATIO)[name].nunique()
            if (of_ratio == 1).all():
                by_ratio.append(name)
            else:
                crossed[name] = [plain(value) for value in sorted(values)]
    if pairs is not None and names.PAIRS not in (*crossed, *by_ratio):
        fixed.setdefault(names.PAIRS, pairs)
    return StudyDesign(crossed, tuple(by_ratio), fixed)


def plain(value: Any) -> Any:
    """Turn a value of numpy into one of Python, whole numbers into int."""
    value = value.item() if hasattr(value, "item") else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def point_text(design: StudyDesign, searched: Collection[str] = ()) -> str:
    """Write where the figures hold: the temperature, batch size and budget, and what was searched.

    Args:
        design: the design.
        searched: further parameters that the search chose.

    >>> fixed = {"temperature": 0.05, "batch_size": 64, "pairs": 16000, "learning_rate": 0.003}
    >>> point_text(StudyDesign({}, (), fixed))
    'at temperature 0.05, batch size 64 and 16,000 pairs'
    >>> point_text(StudyDesign({}, (), fixed), ["learning_rate"])
    'at temperature 0.05, batch size 64, 16,000 pairs and learning rate 0.003'
    """
    clauses = []
    for name in dict.fromkeys((*_LEADING, *sorted(searched))):
        if name in design.fixed:
            value = number(design.fixed[name])
            clauses.append(f"{value} pairs" if name == names.PAIRS else f"{_label(name)} {value}")
    if design.by_ratio:
        named = _listed([_label(name) for name in design.by_ratio])
        clauses.append(f"each ratio's own {named}")
    text = f"at {_listed(clauses)}" if clauses else ""
    if design.crossed:
        named = _listed(
            [
                f"{_label(name)} ({', '.join(map(number, levels))})"
                for name, levels in design.crossed.items()
            ]
        )
        text = f"{text}{', ' if text else ''}averaged over {named}"
    return text


def _label(name: str) -> str:
    return names.LABELS.get(name, name.rpartition(".")[2].replace("_", " "))


def number(value: Any) -> str:
    """Write a value of a parameter.

    >>> number(16000), number(0.02), number("cosine")
    ('16,000', '0.02', 'cosine')
    """
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _listed(clauses: list[str]) -> str:
    return " and ".join([", ".join(clauses[:-1]), clauses[-1]] if clauses[1:] else clauses)
