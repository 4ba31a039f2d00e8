"""What command lines and workers do first: spare the garbage collector, silence dependencies."""

import gc
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def long_lived() -> Iterator[None]:
    """Import in here what lives as long as the process, such as torch.

    A study's command makes a million objects by its imports. To walk through them again and again
    took the collector a fifth of that time, then .3 s to .5 s at each full collection, of which
    every trial makes several. So it rests meanwhile, and leaves them aside afterwards. Command
    lines and workers call this once, around their imports; what is garbage by then is kept.
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
    """Turn off progress bars per small file, notes on loading, and warnings of coming changes."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # warns in every forked process
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(ray|mlflow|optuna)\b")
    logging.getLogger("filelock").setLevel(logging.WARNING)
