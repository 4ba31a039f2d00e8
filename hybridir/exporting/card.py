"""The model card: metadata in the hub's schema, and what a reader must know before using it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from hybridir import names
from hybridir.exporting.facts import Facts, Figure
from hybridir.exporting.prose import limits, repeating, trained_with, usage
from hybridir.languages import LANGUAGES

_TASK = "information-retrieval"  # as sentence-transformers' own evaluators call it


def model_card(facts: Facts, name: str, license_id: str | None) -> str:
    """Write the card.

    Args:
        facts: what is known about the encoder.
        name: of the model, as it is headed.
        license_id: the hub's id of a licence; the card names none without it.

    Returns:
        Markdown with YAML front matter.
    """
    data = _metadata(facts, name, license_id)
    batch = facts.config.batch
    batches = f"with {batch.kind} batches"
    if batch.kind == "hybrid":
        batches += (
            f": a batch was monolingual with probability α = {batch.mixing_ratio:g} and "
            "cross-lingual otherwise"
        )
    what = f"A bi-encoder for retrieval across languages, trained {batches}."
    sections = [
        ("How to use it", usage(facts)),
        *((f"Figures on {bench}", _results(facts, bench)) for bench in facts.languages),
        ("How it was trained", _table(("setting", "value"), trained_with(facts))),
        ("What this does not show", "\n".join(f"- {line}" for line in limits(facts))),
        ("How to repeat it", repeating(facts)),
    ]
    body = "\n\n".join(f"## {title}\n{text}" for title, text in sections)
    return f"---\n{data.to_yaml()}\n---\n# {name}\n{what}\n\n{body}\n"


def _metadata(facts: Facts, name: str, license_id: str | None) -> ModelCardData:
    config = facts.config
    library = "transformers" if config.encoder.pooling == "pooler" else "sentence-transformers"
    given: dict[str, Any] = {
        "language": _real(facts) or None,
        "license": license_id,
        "library_name": library,
        "pipeline_tag": "sentence-similarity",
        "tags": [library, "feature-extraction", "dense-retrieval", "hybridir"],
        "base_model": config.encoder.hub.id if config.encoder.hub else None,
        "datasets": _hub_data(facts) or None,
    }
    results = [
        EvalResult(
            task_type=_TASK,
            dataset_type=figure.benchmark,
            dataset_name=f"{figure.benchmark}, {names.LABELS[figure.setting]}",
            dataset_config=figure.setting,
            metric_type=names.MEAN_NAMES.get(figure.measure, figure.measure),
            metric_name=names.LABELS[figure.measure],
            metric_value=round(figure.value, 6),
        )
        for figure in facts.figures
    ]
    if results:
        given |= {"model_name": name, "eval_results": results}
    return ModelCardData(**given)


def _real(facts: Facts) -> list[str]:
    """Languages that it was trained or measured in, without the synthetic corpus's."""
    train = facts.config.data.train
    found = {code for codes in facts.languages.values() for code in codes}
    for source in train.sources:
        given = source.lareqa or source.table or source.hub
        found.update((given.languages if given else None) or ())
    return sorted(code for code in found if code in LANGUAGES and not code.startswith("q"))


def _hub_data(facts: Facts) -> list[str]:
    hubs = [source.hub for source in facts.config.data.train.sources if source.hub]
    return sorted({hub.id for hub in hubs if hub.id.count("/") == 1 and not Path(hub.id).is_dir()})


def _results(facts: Facts, benchmark: str) -> str:
    figures = [figure for figure in facts.figures if figure.benchmark == benchmark]
    codes = facts.languages[benchmark]
    found = [figure for figure in figures if not figure.is_bias]
    bias = [figure for figure in figures if figure.is_bias]
    parts = [f"Languages of the questions: {' '.join(codes) or 'not recorded'}.", _figures(found)]
    if bias:
        parts += ["Language bias in the pool of all languages:", _figures(bias)]
    if any(figure.curve for figure in figures):
        parts.append(
            "*This encoder* is one seed. *Mean of seeds* is the study's mean over training seeds "
            "at the same mixing ratio, with its 95 % interval: percentile bootstrap over seeds "
            "and questions, languages fixed; with few seeds it understates what varies between "
            "them."
        )
    else:
        parts.append("One seed; no interval is known, since no report of a study lies beside it.")
    return "\n\n".join(parts)


def _figures(figures: Sequence[Figure]) -> str:
    heads = ("measure", "setting", "this encoder", "questions", "mean of seeds [95 %]", "seeds")
    rows = []
    for figure in figures:
        curve = figure.curve
        rows.append(
            (
                names.LABELS[figure.measure],
                names.LABELS[figure.setting],
                f"{figure.value:.4g}",
                str(figure.questions or (curve.questions if curve else "") or "not recorded"),
                f"{curve.mean:.4g} [{curve.low:.4g}, {curve.high:.4g}]" if curve else "",
                str(curve.seeds) if curve else "",
            )
        )
    return _table(heads, rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )
