"""What a model puts before questions and passages, and where it cuts them."""

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Router

from hybridir.integrations.hybrid_batches import PASSAGE, QUESTION

# As `encode_query` and `encode_document` look them up.
_PROMPTS = {QUESTION: ("query",), PASSAGE: ("document", "passage", "corpus")}
_TASKS = {QUESTION: "query", PASSAGE: "document"}


def prompts_of(model: SentenceTransformer) -> dict[str, str]:
    """Column of the data set -> prompt of its texts; columns without one are left out."""
    named = {
        column: next((model.prompts[name] for name in names if name in model.prompts), "")
        for column, names in _PROMPTS.items()
    }
    return {column: prompt for column, prompt in named.items() if prompt}


def tasks_of(model: SentenceTransformer) -> dict[str, str]:
    """Column of the data set -> task, where the model treats questions and passages otherwise.

    Empty for most models.
    """
    first = model[0]
    lengths = (getattr(first, f"{task}_length", None) for task in _TASKS.values())
    differs = isinstance(first, Router) or any(length is not None for length in lengths)
    return dict(_TASKS) if differs else {}
