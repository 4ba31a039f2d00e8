"""The model card: metadata in the hub's schema, and what a reader must know before using it."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from hybridir import __version__, names
from hybridir.config import DataPart, EncoderConfig, TrainConfig
from hybridir.config.data_sources import SourceConfig
from hybridir.export.provenance import Facts, Figure
from hybridir.export.select import CRITERION
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


# The trial's configuration, which goes with the encoder.
CONFIG = "hybridir_trial.json"


def usage(facts: Facts) -> str:
    """How to load it and what it asks for."""
    encoder = facts.config.encoder
    longest = max(encoder.query_length, encoder.passage_length)
    prefixes = (
        f"`{encoder.query_prefix!r}` stands before each question and "
        f"`{encoder.passage_prefix!r}` before each passage"
    )
    if encoder.pooling == "pooler":
        return (
            "sentence-transformers has no module for BERT's pooler, so this is a plain Hugging "
            f"Face folder: load it with `transformers.AutoModel`; {prefixes}; a vector is "
            "`pooler_output`, divided by its norm."
        )
    lengths = f"Texts are cut at {longest} tokens"
    if encoder.query_length != encoder.passage_length:
        lengths += (
            f"; in training questions were cut at {encoder.query_length} and passages at "
            f"{encoder.passage_length}, which sentence-transformers cannot tell apart"
        )
    put = f" The folder holds the prompts: {prefixes}; both methods put them there."
    prompts = put if encoder.query_prefix or encoder.passage_prefix else " It takes no prefixes."
    return (
        "```python\n"
        "from sentence_transformers import SentenceTransformer\n\n"
        'model = SentenceTransformer("FOLDER_OR_HUB_ID")\n'
        'queries = model.encode_query(["a question"])\n'
        'passages = model.encode_document(["a passage", "another one"])\n'
        "scores = model.similarity(queries, passages)\n"
        "```\n\n"
        f"Vectors are L2-normalised ({encoder.pooling} pooling), so that the dot product is the "
        f"cosine. {lengths}.{prompts}"
    )


def trained_with(facts: Facts) -> list[tuple[str, str]]:
    """Settings and their values, for a table."""
    config = facts.config
    batch, training = config.batch, config.training
    steps = math.ceil(training.pairs / batch.batch_size)
    rows = [
        ("weights that it began from", _origin(config.encoder, facts.weights)),
        ("batches", batch.kind),
        *(
            [("mixing ratio α", f"{batch.mixing_ratio:g} ({batch.coin} coin)")]
            if batch.kind == "hybrid"
            else []
        ),
        ("temperature", f"{training.temperature:.6g}"),
        ("batch size", str(batch.batch_size)),
        ("training pairs", f"{training.pairs:,} ({steps:,} steps of {batch.batch_size})"),
        ("learning rate", f"{training.learning_rate:g}, warm-up {training.warmup:.0%}"),
        ("loss", "InfoNCE, in-batch negatives" + (", symmetric" if training.symmetric else "")),
        ("data", _data(config.data.train)),
        ("questions", config.data.train.questions),
        *([] if config.data.data_part is None else [("trained on", _part(config.data.data_part))]),
        ("seed", str(config.seed)),
    ]
    if CRITERION in facts.metrics:
        dev = f"mean mAP {facts.metrics[CRITERION]:.4f} on held-out development data"
        rows.append(("chosen by", dev))
    versions = ", ".join(f"{name} {value}" for name, value in facts.environment.items())
    return [*rows, *([("versions and machine", versions)] if versions else [])]


def limits(facts: Facts) -> list[str]:
    """What a reader might take the figures for, and they are not."""
    config = facts.config
    data = config.data
    lines = [
        "The encoder is one training from one seed; another seed gives other figures.",
    ]
    if any(figure.curve for figure in facts.figures):
        lines.append(
            "The intervals belong to the study's mean at this mixing ratio, not to this encoder. "
            "Of the ratios that were confirmed this one was chosen by development data alone."
        )
    if data.allow_contamination:
        lines.append(
            "The study allowed data to share questions or passages with what is reported on, so "
            "the figures may not be zero-shot; the study's report says what is shared."
        )
    elif facts.languages:
        lines.append(
            "The figures are zero-shot: nothing was trained or tuned on what is reported on. They "
            "say little about other domains, and nothing about languages that are not named."
        )
    if data.train.synthetic:
        lines.append(
            "It was trained on an embedded corpus of pseudo-languages, and is of no use for text "
            "in natural ones."
        )
    if not facts.figures:
        lines.append("It was scored on no benchmark.")
    lines.append(
        "Rank distance rises for encoders that are merely worse as well: read it beside mAP."
        if any(figure.measure == names.RANK_DISTANCE for figure in facts.figures)
        else "Language bias was not measured."
    )
    return lines


def repeating(facts: Facts) -> str:
    """Commands that make it again, and score it again."""
    lines = [f"hybridir train {CONFIG} FOLDER     # this training, with its encoder and figures"]
    if facts.study:
        lines += [
            f"python tune/run_sweep.py STUDY.yaml     # the study {facts.study}",
            f"python tune/run_sweep.py --replay {facts.study}/{facts.trial}",
        ]
    for report in facts.config.data.report_on:
        if report.name in ("xquad-r", "mlqa-r"):
            codes = f" --languages {','.join(report.languages)}" if report.languages else ""
            lines.append(
                f"hybridir evaluate THIS_FOLDER --benchmark {report.name} --data-root DATA{codes}"
            )
    commands = "\n".join(lines)
    where = f" It is trial {facts.trial} of {facts.study}, {facts.run}." if facts.study else ""
    return (
        f"```\n{commands}\n```\n\n`{CONFIG}` is the whole configuration; of local paths it holds "
        f"the last part only, so set `data_root` and the like to your own.{where} Written by "
        f"hybridir {__version__}."
    )


def _origin(encoder: EncoderConfig, digest: str) -> str:
    if encoder.hub:
        return f"{encoder.hub.id} at revision {encoder.hub.revision}"
    if encoder.path:
        known = f", SHA-256 of its files {digest}" if digest else ", no longer there to be hashed"
        return f"local folder {encoder.path.name}{known}"
    scratch = encoder.from_scratch
    assert scratch is not None, "EncoderConfig holds exactly one origin"
    return (
        f"none: BERT with {scratch.layers} layers of {scratch.hidden_size}, drawn from the seed; "
        f"WordPiece vocabulary of at most {scratch.vocabulary} from the training text"
    )


def _part(part: DataPart) -> str:
    return f"part {part.number + 1} of {part.of} of the data"


def _data(train: TrainConfig) -> str:
    if train.synthetic:
        return (
            f"synthetic corpus, {train.synthetic.languages} pseudo-languages, "
            f"{train.synthetic.entities} entities, seed {train.synthetic.seed}"
        )
    return "; ".join(_source(source) for source in train.sources)


def _source(source: SourceConfig) -> str:
    given = source.lareqa or source.table or source.hub
    assert given is not None, "SourceConfig holds exactly one source"
    what: str
    if source.lareqa:
        what = source.lareqa.name
    elif source.table:
        what = f"table {source.table.path.name}"
    else:
        assert source.hub is not None, "the third of three"
        what = f"{source.hub.id} at revision {source.hub.revision}, {source.hub.split}"
    return f"{what} ({' '.join(given.languages) if given.languages else 'all its languages'})"
