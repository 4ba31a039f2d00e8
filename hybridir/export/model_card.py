"""The model card: metadata in the hub's schema, and the facts to read before using the encoder."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from hybridir import __version__, names
from hybridir.config import DataPart, EncoderConfig, ResolvedEncoderConfig, TrainDataConfig
from hybridir.config.data_sources import SourceConfig
from hybridir.config.trial import POOLER
from hybridir.export.provenance import EncoderScore, Facts
from hybridir.export.select import CRITERION
from hybridir.languages import LanguageChoice, base_of, is_standard, tag_of

CONFIG_FILE = "hybridir_trial.json"
"""Name of the trial's configuration in the exported folder."""

# Measures of this project's own, or known under another name.
_OWN_MEASURES = {
    names.SET_F1: (
        "*F1 at R* is the F1 of the first R passages, R being the number of relevant ones: "
        "R-precision, and hit@1 where one passage is relevant."
    ),
    names.ANSWER_F1: (
        "*Answer F1* (this project's own) is the token F1 of the first passage against the gold "
        "passage, without languages that have neither spaces nor a published rule for words (th, "
        "ja)."
    ),
    names.READER_F1: (
        "*Reader's F1* is that of answers which a question answering model reads from the "
        "paragraph of the first passage."
    ),
}

_TASK = "information-retrieval"  # the name that sentence-transformers' own evaluators use


def model_card(facts: Facts, name: str, license_id: str | None) -> str:
    """Write the model card.

    Args:
        facts: recorded facts about the encoder.
        name: name of the model, the card's title.
        license_id: the hub's id of a licence; None leaves it out.

    Returns:
        Markdown with YAML front matter.
    """
    batch = facts.config.batch
    batches = f"with {batch.kind} batches"
    if batch.kind == "hybrid":
        batches += (
            f": each batch was monolingual with probability α = {batch.mixing_ratio:g} and "
            "cross-lingual otherwise"
        )
    sections = [
        ("How to use it", _usage(facts.encoder)),
        *((_scores_title(bench), _benchmark(facts, bench)) for bench in facts.languages),
        ("How it was trained", _table(("setting", "value"), _training(facts))),
        ("Limitations", "\n".join(f"- {line}" for line in _limitations(facts))),
        ("How to repeat it", _repetition(facts)),
    ]
    body = "\n\n".join(f"## {title}\n{text}" for title, text in sections)
    summary = f"A bi-encoder for retrieval across languages, trained {batches}."
    metadata = _metadata(facts, name, license_id).to_yaml()
    return f"---\n{metadata}\n---\n# {name}\n{summary}\n\n{body}\n"


def _metadata(facts: Facts, name: str, license_id: str | None) -> ModelCardData:
    config = facts.config
    tags = _natural_languages(facts)
    # The hub takes ISO 639's codes alone there, and other tags beside them.
    bases = sorted({base_of(tag) for tag in tags if re.fullmatch("[a-z]{2,3}", base_of(tag))})
    library = "transformers" if config.encoder.pooling == POOLER else "sentence-transformers"
    fields: dict[str, Any] = {
        "language": bases or None,
        "language_bcp47": [tag for tag in tags if tag not in bases] or None,
        "license": license_id,
        "library_name": library,
        "pipeline_tag": "sentence-similarity",
        "tags": [library, "feature-extraction", "dense-retrieval", "hybridir"],
        "base_model": _base_model(config.encoder),
        "datasets": _hub_datasets(config.data.train) or None,
    }
    results = [
        EvalResult(
            task_type=_TASK,
            dataset_type=score.benchmark,
            dataset_name=f"{score.benchmark}, {names.LABELS[score.setting]}",
            dataset_config=score.setting,
            metric_type=names.MEAN_NAMES.get(score.measure, score.measure),
            metric_name=names.LABELS[score.measure],
            metric_value=round(score.value, 6),
        )
        for score in facts.scores
        if score.benchmark != names.DEV  # no benchmark, so no result on the hub
    ]
    if results:
        fields |= {"model_name": name, "eval_results": results}
    return ModelCardData(**fields)


def _base_model(encoder: EncoderConfig) -> str | None:
    """Name the hub's model that training began from; a local folder may name its own origin."""
    if encoder.hub:
        return encoder.hub.id
    try:
        settings = json.loads((encoder.path / "config.json").read_text()) if encoder.path else {}
    except (OSError, ValueError):
        return None
    origin = settings.get("_name_or_path") if isinstance(settings, dict) else None
    is_id = isinstance(origin, str) and re.fullmatch(r"[\w.-]+(/[\w.-]+)?", origin)
    return str(origin) if is_id else None


def _scores_title(benchmark: str) -> str:
    if benchmark == names.DEV:
        return "Scores on development data, which the study tunes on"
    return f"Scores on {benchmark}"


def _natural_languages(facts: Facts) -> list[str]:
    """Tags of the languages of training and evaluation that a standard knows."""
    codes = {code for languages in facts.languages.values() for code in languages}
    for source in facts.config.data.train.sources:
        dataset = source.lareqa or source.table or source.hub
        codes.update(LanguageChoice(dataset.languages if dataset else None).chosen or ())
    return sorted({tag_of(code) for code in codes if is_standard(code)})


def _hub_datasets(train: TrainDataConfig) -> list[str]:
    hubs = [source.hub for source in train.sources if source.hub]
    return sorted({hub.id for hub in hubs if hub.id.count("/") == 1 and not Path(hub.id).is_dir()})


def _usage(encoder: ResolvedEncoderConfig) -> str:
    prefixes = (
        f"`{encoder.query_prefix!r}` precedes each question and "
        f"`{encoder.passage_prefix!r}` each passage"
    )
    compared = names.SIMILARITIES[encoder.similarity]
    norm = ", divided by its norm" if encoder.similarity == "cosine" else ""
    if encoder.pooling == POOLER:
        return (
            "sentence-transformers has no module for BERT's pooler, so this is a plain Hugging "
            f"Face folder. Load it with `transformers.AutoModel`; {prefixes}. The vector of a "
            f"text is `pooler_output`{norm}. Similarity: {compared}."
        )
    longest = max(encoder.query_length, encoder.passage_length)
    lengths = f"Texts are truncated at {longest} tokens"
    if encoder.query_length != encoder.passage_length:
        lengths = (
            f"Questions are truncated at {encoder.query_length} tokens and passages at "
            f"{encoder.passage_length}, for which sentence-transformers 6 or newer is needed"
        )
    vectors = f"Vectors are not normalised ({encoder.pooling} pooling)."
    if encoder.similarity == "cosine":
        vectors = (
            f"Vectors are L2-normalised ({encoder.pooling} pooling), so their dot product is the "
            "cosine."
        )
    prompts = "It takes no prefixes."
    if encoder.query_prefix or encoder.passage_prefix:
        prompts = f"Both methods add the prompts of the folder: {prefixes}."
    return (
        "```python\n"
        "from sentence_transformers import SentenceTransformer\n\n"
        'model = SentenceTransformer("FOLDER_OR_HUB_ID")\n'
        'queries = model.encode_query(["a question"])\n'
        'passages = model.encode_document(["a passage", "another passage"])\n'
        "scores = model.similarity(queries, passages)\n"
        "```\n\n"
        f"Similarity: {compared}. {vectors} {lengths}. {prompts}"
    )


def _benchmark(facts: Facts, benchmark: str) -> str:
    scores = [score for score in facts.scores if score.benchmark == benchmark]
    codes = " ".join(facts.languages[benchmark])
    bias = [score for score in scores if score.is_bias]
    paragraphs = [
        f"Languages of the questions: {codes or 'not recorded'}.",
        _score_table([score for score in scores if not score.is_bias]),
    ]
    measures = {score.measure for score in scores}
    paragraphs += [text for measure, text in _OWN_MEASURES.items() if measure in measures]
    if bias:
        paragraphs += ["Language bias in the pool of all languages:", _score_table(bias)]
    if any(score.seed_mean for score in scores):
        paragraphs.append(
            "*This encoder* was trained with one seed. *Mean of seeds* is the study's mean over "
            f"training seeds at the same mixing ratio{_over_conditions(scores)}, with its 95 % "
            "interval for other seeds and other clusters of questions. Languages are fixed."
        )
    else:
        paragraphs.append("One seed. No interval is known, since the run has no report.")
    return "\n\n".join(paragraphs)


def _over_conditions(scores: Sequence[EncoderScore]) -> str:
    most = max(score.seed_mean.n_conditions for score in scores if score.seed_mean)
    return f" and over its {most} conditions, of which this encoder's is one" if most > 1 else ""


def _score_table(scores: Sequence[EncoderScore]) -> str:
    heads = ("measure", "setting", "this encoder", "questions", "mean of seeds [95 %]", "seeds")
    rows = []
    for score in scores:
        mean = score.seed_mean
        rows.append(
            (
                names.LABELS[score.measure],
                names.LABELS[score.setting],
                f"{score.value:.4g}",
                str(score.n_questions or (mean.n_questions if mean else "") or "not recorded"),
                f"{mean.mean:.4g} [{mean.low:.4g}, {mean.high:.4g}]" if mean else "",
                str(mean.n_seeds) if mean else "",
            )
        )
    return _table(heads, rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def _training(facts: Facts) -> list[tuple[str, str]]:
    """List the settings of the training and their values."""
    config = facts.config
    batch, training = config.batch, config.training
    steps = math.ceil(training.pairs / batch.batch_size)
    rows = [("initial weights", _initial_weights(config.encoder, facts.weights_digest))]
    rows.append(("batches", batch.kind))
    if batch.kind == "hybrid":
        rows.append(("mixing ratio α", f"{batch.mixing_ratio:g} ({batch.coin} coin)"))
    rows += [
        ("temperature", f"{training.temperature:.6g}"),
        ("batch size", str(batch.batch_size)),
        ("training pairs", f"{training.pairs:,} ({steps:,} steps of {batch.batch_size})"),
        ("learning rate", f"{training.learning_rate:g}, warm-up {training.warmup:.0%}"),
        ("loss", "InfoNCE, in-batch negatives" + (", symmetric" if training.symmetric else "")),
        ("data", _train_data(config.data.train)),
        ("questions", config.data.train.questions),
    ]
    if config.data.data_part is not None:
        rows.append(("trained on", _data_part(config.data.data_part)))
    rows.append(("seed", str(config.seed)))
    if CRITERION in facts.metrics:
        dev = f"mean mAP {facts.metrics[CRITERION]:.4f} on held-out development data"
        rows.append(("chosen by", dev))
    if facts.environment:
        versions = ", ".join(f"{name} {value}" for name, value in facts.environment.items())
        rows.append(("versions and machine", versions))
    return rows


def _initial_weights(encoder: EncoderConfig, digest: str) -> str:
    if encoder.hub:
        return f"{encoder.hub.id} at revision {encoder.hub.revision}"
    if encoder.path:
        suffix = f", SHA-256 of its files {digest}" if digest else ", no longer on disk"
        return f"local folder {encoder.path.name}{suffix}"
    scratch = encoder.from_scratch
    assert scratch is not None, "EncoderConfig holds exactly one origin"
    return (
        f"none: BERT with {scratch.layers} layers of {scratch.hidden_size}, drawn from the seed; "
        f"WordPiece vocabulary of at most {scratch.vocabulary} from the training text"
    )


def _data_part(part: DataPart) -> str:
    return f"part {part.number + 1} of {part.of} of the data"


def _train_data(train: TrainDataConfig) -> str:
    if train.synthetic:
        return (
            f"synthetic corpus, {train.synthetic.languages} pseudo-languages, "
            f"{train.synthetic.entities} entities, seed {train.synthetic.seed}"
        )
    return "; ".join(_source(source) for source in train.sources)


def _source(source: SourceConfig) -> str:
    dataset: str
    if source.lareqa:
        dataset, languages = source.lareqa.name, source.lareqa.languages
    elif source.table:
        dataset, languages = f"table {source.table.path.name}", source.table.languages
    else:
        assert source.hub is not None, "SourceConfig holds exactly one source"
        dataset = f"{source.hub.id} at revision {source.hub.revision}, {source.hub.split}"
        languages = source.hub.languages
    choice = LanguageChoice(languages)
    chosen = "all its languages" if choice.chosen is None else " ".join(choice.chosen)
    renamed = [f"{code} as {name}" for code, name in choice.renamed.items()]
    return f"{dataset} ({', '.join([chosen, *renamed])})"


def _limitations(facts: Facts) -> list[str]:
    """List the conclusions that the scores do not support."""
    data = facts.config.data
    lines = ["The encoder comes from one training with one seed. Another seed gives other scores."]
    if any(score.seed_mean for score in facts.scores):
        lines.append(
            "The intervals belong to the study's mean at this mixing ratio, not to this encoder. "
            "This ratio was chosen among the confirmed ratios by development data alone."
        )
    if data.allow_contamination:
        lines.append(
            "The study allowed its data to share questions or passages with the reported "
            "benchmarks, so the scores may not be zero-shot. The study's report lists the overlap."
        )
    elif names.DEV in facts.languages:
        lines.append(
            "The study reports on no benchmark. The scores are those of development data, which "
            "the study tunes on, so they say nothing about other data. Add a benchmark under "
            "report_on and run the study again for scores that do."
        )
    elif facts.languages:
        lines.append(
            "The scores are zero-shot: the reported benchmarks were used neither for training nor "
            "for tuning. They say little about other domains, and nothing about other languages."
        )
    if data.train.synthetic:
        lines.append(
            "It was trained on a synthetic corpus of pseudo-languages, so it is of no use for "
            "text in natural languages."
        )
    if not facts.scores:
        lines.append("It was not evaluated on any benchmark.")
    lines.append(
        "Rank distance is also higher for encoders that are merely worse: read it beside mAP."
        if any(score.measure == names.RANK_DISTANCE for score in facts.scores)
        else "Language bias was not measured."
    )
    return lines


def _repetition(facts: Facts) -> str:
    """Write the commands that train and evaluate the encoder again."""
    lines = [
        f"hybridir train {CONFIG_FILE} FOLDER     # this training, with its encoder and scores"
    ]
    if facts.study:
        lines += [
            f"python tune/run_sweep.py STUDY.yaml     # the study {facts.study}",
            f"python tune/run_sweep.py --replay {facts.study}/{facts.trial}",
        ]
    for report in facts.config.data.report_on:
        if report.name in ("xquad-r", "mlqa-r"):
            codes = f" --languages {LanguageChoice(report.languages)}" if report.languages else ""
            lines.append(
                f"hybridir evaluate THIS_FOLDER --benchmark {report.name} --data-root DATA{codes}"
            )
    commands = "\n".join(lines)
    trial = f" This is trial {facts.trial} of {facts.study}, {facts.run}." if facts.study else ""
    return (
        f"```\n{commands}\n```\n\n`{CONFIG_FILE}` is the whole configuration. It holds only the "
        f"last part of local paths, so set `data_root` and the other paths to your own.{trial} "
        f"Written by hybridir {__version__}."
    )
