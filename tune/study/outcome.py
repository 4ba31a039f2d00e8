"""The primary outcomes of a study: what is tested, declared before it runs."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, field_validator

from hybridir import names
from hybridir.config import StrictModel

_ALIASES = {"f1": names.SET_F1}


class PrimaryConfig(StrictModel):
    """One primary outcome: a measure in a setting, on one benchmark or on each."""

    measure: Annotated[str, Field(validate_default=True)] = names.MEAN_NAMES[names.AP]
    """Name of a mean that has a value of each question: ``map``, or ``set_f1`` (short ``f1``), the
    F1 of the first R passages."""
    setting: names.Setting = names.MULTILINGUAL
    """The pool that is searched; see the glossary."""
    benchmark: str | None = None
    """One of the reported benchmarks; null means each of them."""

    @field_validator("setting", mode="before")
    @classmethod
    def _as_one_word(cls, value: object) -> object:
        return value.replace("-", "") if isinstance(value, str) else value

    @field_validator("measure")
    @classmethod
    def _is_tested(cls, value: str) -> str:
        name = _ALIASES.get(value, value)
        if name not in names.PRIMARY_MEASURES:
            raise ValueError(
                f"{value!r} is not tested; legal are {', '.join(names.PRIMARY_MEASURES)} (or f1)"
            )
        return name

    def __str__(self) -> str:
        suffix = f": {self.benchmark}" if self.benchmark else ""
        return f"{self.measure} {self.setting}{suffix}"


def outcomes_as_list(value: object) -> object:
    """Read one outcome alone as a list of one."""
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, (list, tuple)):
        raise ValueError("expected a list such as [{measure: map, setting: multilingual}]")
    return value


def check_outcomes(outcomes: Sequence[PrimaryConfig], benchmarks: Sequence[str] | None) -> None:
    """Refuse outcomes that are the same, or on a benchmark that is not reported.

    Args:
        outcomes: the primary outcomes of a study.
        benchmarks: the benchmarks that it reports on; None if they are unknown.

    Raises:
        ValueError: with the legal benchmarks.
    """
    if not outcomes:
        raise ValueError("name at least one outcome, such as {measure: map}, or leave it out")
    for index, outcome in enumerate(outcomes):
        if benchmarks is not None and outcome.benchmark not in (None, *benchmarks):
            raise ValueError(
                f"{outcome.benchmark} is not reported on; legal are "
                f"{', '.join(benchmarks) or 'none'}"
            )
        for other in outcomes[:index]:
            same = (outcome.measure, outcome.setting) == (other.measure, other.setting)
            if same and outcome.benchmark == other.benchmark:
                raise ValueError(f"{outcome} is named twice")
            if same and None in (outcome.benchmark, other.benchmark):
                raise ValueError(f"{outcome} and {other} overlap, since one is on each benchmark")
