"""What each trial gets from Ray, and what a study expects of the cluster."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from hybridir.config import Model


class ResourcesConfig(Model):
    """What each trial gets from Ray, and what the study expects of the cluster."""

    cpu: Annotated[int, Field(ge=1)] = 1
    """CPUs, and threads, of each process of a trial."""
    gpu: Annotated[float, Field(ge=0)] = 0
    """GPUs of each process of a trial; a share such as 0.5 lets two trials use one."""
    processes: Annotated[int, Field(ge=1)] = 1
    """Processes of a trial, which share each batch and see each other's passages as negatives."""
    nodes: Annotated[int, Field(ge=1)] = 1
    """Nodes that must have joined before the first trial; only those count that offer what a
    process of a trial takes, so a head without CPUs does not."""
    wait_minutes: Annotated[float, Field(ge=0)] = 15
    """How long they are waited for. 15: a cloud's GPU node took 5 to 10 minutes (assumption)."""
    max_failures: Annotated[int, Field(ge=0)] = 3
    """Times in a row that a trial may be cut off without getting further, before it is given
    up."""
    hourly_price: Annotated[float, Field(ge=0)] | None = None
    """Price of one trial's resources per hour, for ``--plan``; any currency."""

    @field_validator("processes")
    @classmethod
    def _whole_gpus(cls, value: int, info: ValidationInfo) -> int:
        gpu = info.data.get("gpu", 0)
        if value > 1 and gpu != int(gpu):
            raise ValueError(f"processes that share a GPU (gpu={gpu:g}) only wait for each other")
        return value
