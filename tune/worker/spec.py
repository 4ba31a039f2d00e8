"""The arguments of one trial, as they travel from the driver to a worker."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class TrialSpec:
    """Everything a worker needs; data are given by path, so that the spec stays small.

    Attributes:
        folder: the trial's own folder, absolute.
        cache: folder of prepared data, absolute.
        config: the `TrialConfig` as JSON.
        fidelities: see `run_trial`.
        cpu: threads of each process.
        keep_encoder: see `run_trial`.
        gpu: GPUs of each process.
        processes: number of processes; see `tune.worker.processes.trial_resources`.
        max_failures: interruptions in a row without progress after which the trial fails.
        driver: id of the driver; attempts of an earlier driver do not count as failures.
        data: digests of the study's data, see `hybridir.data.identity`; empty takes any data.
    """

    folder: str
    cache: str
    config: str
    fidelities: tuple[float, ...] = (1.0,)
    cpu: int = 1
    keep_encoder: bool = False
    gpu: float = 0
    processes: int = 1
    max_failures: int = 3
    driver: str = ""
    data: dict[str, str] = field(default_factory=dict)

    def as_ray_config(self) -> dict[str, Any]:
        """The spec as a configuration of Ray Tune: plain values under one key."""
        return {"trial": asdict(self) | {"fidelities": list(self.fidelities)}}

    @classmethod
    def from_ray_config(cls, config: dict[str, Any]) -> Self:
        """Read what `as_ray_config` wrote."""
        values = config["trial"]
        return cls(**{**values, "fidelities": tuple(values["fidelities"])})
