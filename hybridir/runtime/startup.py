"""First steps of command lines and workers: fast imports, and silent dependencies."""

import gc
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def frozen_imports() -> Iterator[None]:
    """Keep the garbage collector away from modules that are imported inside, such as torch.

    The imports of a study's command create a million objects. Scanning them again and again took a
    fifth of the import time, and later 0.3 s to 0.5 s at each full collection, of which every
    trial makes several. So the collector is off during the imports, and ignores their objects
    afterwards. Command lines and workers use this once, around their imports; objects that are
    garbage by then are never freed.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
        if was_enabled:
            gc.enable()


def quieten_dependencies() -> None:
    """Turn off progress bars for small files, notes on loading, and warnings of future changes."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # or each fork warns
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(ray|mlflow|optuna)\b")
    logging.getLogger("filelock").setLevel(logging.WARNING)
