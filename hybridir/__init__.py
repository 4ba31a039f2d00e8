"""hybridir: how the ratio of monolingual to cross-lingual batches changes a retriever.

The package's public names are imported on first use, so that importing hybridir has no side
effect and loads no torch:

- `TrialConfig`: the settings of one trial.
- `Pairs`, `Benchmark`: training pairs, and queries with pools of passages.
- `BatchPlan`: the hybrid batches.
- `load_encoder`, `evaluate`: a bi-encoder, and its scores on a benchmark.
- `run_trial`: all of it, from settings to scores.

Each of them has an example in its docstring: ``help(hybridir.BatchPlan)``.
"""

__version__ = "0.3.0.dev0"

_MODULES = {
    "Benchmark": "hybridir.data",
    "BatchPlan": "hybridir.batches",
    "Pairs": "hybridir.data",
    "TrialConfig": "hybridir.config",
    "evaluate": "hybridir.evaluation.evaluate",
    "load_encoder": "hybridir.encoder",
    "run_trial": "hybridir.trial",
}

TYPE_CHECKING = False  # type checkers take it for True; importing typing would cost time
if TYPE_CHECKING:
    from hybridir.batches import BatchPlan
    from hybridir.config import TrialConfig
    from hybridir.data import Benchmark, Pairs
    from hybridir.encoder import load_encoder
    from hybridir.evaluation.evaluate import evaluate
    from hybridir.trial import run_trial
else:

    def __getattr__(name: str) -> object:
        """Import a public name when it is first asked for (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module 'hybridir' has no attribute {name!r}")
        from importlib import import_module

        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value


__all__ = [
    "BatchPlan",
    "Benchmark",
    "Pairs",
    "TrialConfig",
    "__version__",
    "evaluate",
    "load_encoder",
    "run_trial",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
