"""Resources of each trial, and the size of the cluster."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from hybridir.config import StrictModel
from hybridir.config.base import unit


class ResourcesConfig(StrictModel):
    """Resources that Ray reserves for each trial, and the cluster that the study needs."""

    cpu: Annotated[int, Field(ge=1), unit("CPUs")] = 1
    """CPUs, and threads, of each process of a trial."""
    gpu: Annotated[float, Field(ge=0), unit("GPUs")] = 0
    """GPUs of each process of a trial; at 0.5 two trials share one GPU."""
    processes: Annotated[int, Field(ge=1), unit("processes")] = 1
    """Processes of a trial, which share each batch and use each other's passages as negatives."""
    nodes: Annotated[int, Field(ge=1), unit("nodes")] = 1
    """Nodes that must join before the first trial; a node counts if it offers the resources of
    one process of a trial, so a head without CPUs does not."""
    wait_minutes: Annotated[float, Field(ge=0), unit("minutes")] = 15
    """Longest wait for the nodes. 15: a cloud's GPU node took 5 to 10 minutes (assumption)."""
    max_failures: Annotated[int, Field(ge=0), unit("interruptions")] = 3
    """Interruptions in a row without progress that a trial may have before it fails."""
    hourly_price: Annotated[float, Field(ge=0), unit("currency per hour")] | None = None
    """Price of one trial's resources per hour, for ``--plan``, in any currency."""

    @field_validator("processes")
    @classmethod
    def _whole_gpus(cls, value: int, info: ValidationInfo) -> int:
        gpu = info.data.get("gpu", 0)
        if value > 1 and gpu != int(gpu):
            raise ValueError(
                f"gpu={gpu:g}: processes of one trial that share a GPU only wait for each other; "
                "give each a whole GPU"
            )
        return value
