"""Silence what dependencies say that a user cannot act on; command lines call it, not imports."""

import logging
import os
import warnings


def quieten_dependencies() -> None:
    """Turn off progress bars per small file, notes on loading, and warnings of coming changes."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # warns in every forked process
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(ray|mlflow|optuna)\b")
    logging.getLogger("filelock").setLevel(logging.WARNING)
