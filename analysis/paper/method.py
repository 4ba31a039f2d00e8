"""A paragraph of method, in LaTeX: what was trained, chosen, measured and tested."""

from analysis.page.latex import escape
from analysis.sections.all import StudyTables
from analysis.sections.benchmark import BenchmarkTables
from analysis.sections.literature import trained_on
from analysis.sections.wording import listed
from analysis.study.mlflow import Study
from analysis.tables import confirmed
from hybridir import inference, names


def method_paragraph(tables: StudyTables) -> str:
    """Write the method of a study as one paragraph."""
    study = tables.study
    sentences = [
        f"We trained {trained_on(study)}.",
        "A batch is monolingual with probability α, all of its questions and passages in one "
        "language; otherwise it is cross-lingual, and the question and the passage of each pair "
        "are in two languages.",
        *_curve(study, tables.benchmarks),
        *_search(study),
        *[_measured(benchmark) for benchmark in tables.benchmarks],
        "Intervals are 95 % intervals for other training seeds and other clusters of questions, "
        "by crossed random effects; those of the curve are from a hierarchical bootstrap "
        f"({inference.DRAWS:,} draws).",
        "Differences are paired by seed and question.",
        *_tests(study, tables.benchmarks),
    ]
    versions = study.provenance.get(names.TAG_VERSIONS, "")
    if versions:
        sentences.append(f"Software: {versions}.")
    text = escape(" ".join(sentences)).replace("/", "/\\allowbreak{}")  # long paths
    return f"\\paragraph{{Method.}} {text}\n"


def _curve(study: Study, benchmarks: list[BenchmarkTables]) -> list[str]:
    trials = confirmed.confirmed_trials(study)
    if trials.empty:
        return ["No mixing ratio was confirmed."]
    ratios = listed([f"{ratio:g}" for ratio in sorted(set(trials[names.MIXING_RATIO]))])
    seeds = int(trials.groupby(names.MIXING_RATIO)[names.SEED].nunique().min())
    where = next((benchmark.point for benchmark in benchmarks if benchmark.point), "")
    encoders = f"{seeds} {'encoder' if seeds == 1 else 'encoders'}"
    return [
        f"At each α of {ratios} we trained {encoders} with different seeds {where}".strip() + "."
    ]


def _search(study: Study) -> list[str]:
    trials = study.trials
    searched = trials[trials["phase"] == names.PHASE_SEARCH]
    if searched.empty:
        return []
    search = study.settings.search
    with_sampler = f" ({search.sampler})" if search.sampler else ""
    objectives = listed([*(search.objective or (study.settings.objective,))])
    return [
        f"A search of {len(searched)} trials{with_sampler} chose the other parameters by "
        f"{objectives} on development data; the reported benchmarks had no say."
    ]


def _measured(tables: BenchmarkTables) -> str:
    curve = tables.curve.curve
    return (
        f"We report on {tables.benchmark}: {tables.n_languages} languages and "
        f"{int(curve['n_questions'].max()):,} questions in {int(curve['n_clusters'].max()):,} "
        "clusters."
    )


def _tests(study: Study, benchmarks: list[BenchmarkTables]) -> list[str]:
    outcomes = dict.fromkeys(
        f"{names.LABELS.get(measure, measure)} in the {names.LABELS.get(setting, setting)} setting"
        for benchmark in benchmarks
        for measure, setting in study.settings.primary_of(benchmark.benchmark)
    )
    if not outcomes:
        return []
    return [
        f"The planned tests are of {listed([*outcomes])}, hybrid batches against either pure "
        "strategy, corrected together by Holm's method; all other comparisons are exploratory."
    ]
