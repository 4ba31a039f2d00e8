"""Names that one package writes and another reads: parameters, metrics, tags, files and columns.

The study writes these names to MLflow and to disk, and the analysis reads them back, so both
import them from here. All are legal in MLflow (letters, digits, ``_ - . /`` and spaces).
`LABELS` holds the words that figures and tables show instead.
"""

from typing import Final, Literal

Setting = Literal["monolingual", "crosslingual", "multilingual"]

MONOLINGUAL: Final = "monolingual"
CROSSLINGUAL: Final = "crosslingual"
MULTILINGUAL: Final = "multilingual"
SETTINGS: Final[tuple[Setting, ...]] = (MONOLINGUAL, CROSSLINGUAL, MULTILINGUAL)

# The scientific parameters of a study, and what varies between repetitions; names as in YAML.
MIXING_RATIO: Final = "mixing_ratio"
TEMPERATURE: Final = "temperature"
BATCH_SIZE: Final = "batch_size"
SEED: Final = "seed"
DATA_PART: Final = "data_part"

# Per-query table, one row per (setting, query, pool); see `hybridir.evaluation.per_query`.
BENCHMARK: Final = "benchmark"
SETTING: Final = "setting"
QUERY_LANGUAGE: Final = "query_language"
POOL_LANGUAGE: Final = "pool_language"  # "all" in the multilingual setting
QUESTION_ID: Final = "question_id"
POOL_SIZE: Final = "pool_size"
N_RELEVANT: Final = "n_relevant"
BEST_RANK: Final = "best_rank"
WORST_RANK: Final = "worst_rank"
BEST_RANK_SEEN: Final = "best_rank_seen"
WORST_RANK_SEEN: Final = "worst_rank_seen"
TOP1_LANGUAGE: Final = "top1_language"
BEST_IS_OWN: Final = "best_is_own"  # best relevant passage is in the question's language
EQUAL_RANKS: Final = (
    "equal_ranks"  # p-value of equal ranks of the relevant passages of all languages
)
ALL_LANGUAGES: Final = "all"

# Measures of one query, columns of the per-query table.
AP: Final = "ap"
AP_AT_20: Final = "ap_at_20"
RR: Final = "rr"
RECALL_AT_1: Final = "recall_at_1"
RECALL_AT_10: Final = "recall_at_10"
RECALL_AT_100: Final = "recall_at_100"
NDCG_AT_10: Final = "ndcg_at_10"
HIT_AT_1: Final = "hit_at_1"
HIT_AT_10: Final = "hit_at_10"
SET_F1: Final = "set_f1"  # F1 of the first R passages, R relevant: R-precision
RANK_MEASURES: Final = (
    *(AP, AP_AT_20, RR, RECALL_AT_1, RECALL_AT_10, RECALL_AT_100, NDCG_AT_10),
    *(HIT_AT_1, HIT_AT_10, SET_F1),
)
ANSWER_F1: Final = "answer_f1"
ANSWER_F1_SQUAD: Final = "answer_f1_squad"
ANSWER_MEASURES: Final = (ANSWER_F1, ANSWER_F1_SQUAD)
MEASURES: Final = (*RANK_MEASURES, *ANSWER_MEASURES)

# Table of a reader's answers; see `hybridir.evaluation.reader.f1`.
ANSWER: Final = "answer"  # text of the answer
READER_F1: Final = "reader_f1"
READER_F1_SQUAD: Final = "reader_f1_squad"
READER_EXACT: Final = "reader_exact"
READER_EXACT_SQUAD: Final = "reader_exact_squad"
READER_MEASURES: Final = (READER_F1, READER_F1_SQUAD, READER_EXACT, READER_EXACT_SQUAD)

# Names of means over queries, where they differ from the measure's.
MEAN_NAMES: Final = {AP: "map", AP_AT_20: "map_at_20", RR: "mrr"}
RANK_DISTANCE: Final = "rank_distance"
RANK_DISTANCE_SEEN: Final = "rank_distance_seen"
TOP1_OWN_LANGUAGE: Final = "top1_own_language"
LANGUAGE_PREFERENCE: Final = "language_preference"
PEER: Final = "peer"
RANK_CORRELATION: Final = "rank_correlation"

BIAS_MEASURES: Final = (
    *(RANK_DISTANCE, RANK_DISTANCE_SEEN, TOP1_OWN_LANGUAGE),
    *(LANGUAGE_PREFERENCE, PEER, RANK_CORRELATION),
)

# Metrics of a trial that belong to no reported benchmark.
DEV: Final = "dev"
FIDELITY: Final = "fidelity"
TRAIN_LOSS: Final = "train/loss"
TRAIN_SECONDS: Final = "train/seconds"
TRAIN_PAIRS_PER_SECOND: Final = "train/pairs_per_second"
TRAIN_MONOLINGUAL_SHARE: Final = "train/monolingual_share"
TRAIN_NEGATIVES: Final = "train/negatives_per_question"
EVALUATION_SECONDS: Final = "evaluation/seconds"
PEAK_MEMORY_MB: Final = "memory/peak_mb"

# Parameters of the parent run. Contamination: benchmarks that share texts with training or tuning.
CONTAMINATION: Final = "contamination"
REPORT_ON: Final = "report_on"  # names of the benchmarks, separated by spaces
NO_CONTAMINATION: Final = "none"

# Metrics of the parent run; `curve_metric` puts the first two before a trial's metric.
CURVE: Final = "curve"
CURVE_OF_FIRST_SEED: Final = "first-seed-curve"
STUDY_SECONDS: Final = "study/seconds"
STUDY_DISK_MB: Final = "study/disk_mb"

# Metrics that depend on the clock or on the process's history; all others repeat exactly.
UNREPEATABLE: Final = frozenset(
    {TRAIN_SECONDS, TRAIN_PAIRS_PER_SECOND, EVALUATION_SECONDS, PEAK_MEMORY_MB}
)

# The MLflow experiment of all studies.
EXPERIMENT: Final = "hybridir"

# MLflow tags. The parent run is the study; its children are the trials.
TAG_STUDY: Final = "hybridir.study"
TAG_KIND: Final = "hybridir.kind"
TAG_TRIAL: Final = "hybridir.trial"
TAG_PHASE: Final = "hybridir.phase"
TAG_STATE: Final = "hybridir.state"
TAG_REASON: Final = "hybridir.reason"
TAG_HOST: Final = "hybridir.host"
TAG_FOLDER: Final = "hybridir.folder"
TAG_COMMAND: Final = "hybridir.command"
TAG_VERSIONS: Final = "hybridir.versions"
TAG_MACHINE: Final = "hybridir.machine"
TAG_BEST: Final = "hybridir.best"
TAG_RUN: Final = "hybridir.run"  # id of the study's run, on it and on its trials
TAG_PARENT: Final = "mlflow.parentRunId"
KIND_STUDY: Final = "study"
KIND_TRIAL: Final = "trial"
PHASE_SEARCH: Final = "search"
PHASE_CONFIRM: Final = "confirm"
PHASE_BASELINE: Final = "baseline"

# Baselines of hybrid batches. BASELINE is a parameter of their trials.
BASELINE: Final = "baseline"
UNTRAINED: Final = "untrained"
BM25: Final = "bm25"
EN_EN: Final = "en-en"
X_X: Final = "x-x"
X_X_MONO: Final = "x-x-mono"
X_Y: Final = "x-y"
HYBRID: Final = "hybrid"
# Baselines that are points on the curve over the mixing ratio. Hybrid: the published ratio.
BASELINE_RATIOS: Final = {X_X_MONO: 1.0, X_Y: 0.0, HYBRID: 0.5}

# How a trial ended; the words are Optuna's.
COMPLETE: Final = "COMPLETE"
PRUNED: Final = "PRUNED"
FAIL: Final = "FAIL"

# Artifacts of a run.
ARTIFACT_STUDY: Final = "study.yaml"
ARTIFACT_PLAN: Final = "plan.json"  # time and memory forecast of the study
ARTIFACT_CONFIG: Final = "config.json"
ARTIFACT_RESULT: Final = "result.json"
ARTIFACT_ENCODER: Final = "encoder"
ARTIFACT_PER_QUERY: Final = "per_query"  # folder: one Parquet file per benchmark
ARTIFACT_LANGUAGE_PAIRS: Final = "language_pairs"  # folder: mAP by question and pool language
ARTIFACT_TOP1_LANGUAGES: Final = "top1_languages"  # folder: shares of languages at rank 1
ARTIFACT_TOP_LANGUAGES: Final = "top10_languages"  # folder: shares of languages at ranks 1 to 10
ARTIFACT_RANK_CORRELATION: Final = "rank_correlation"  # folder: by pair of question languages
ARTIFACT_READER: Final = "reader"  # folder: a reader's answers, one Parquet file per benchmark
ARTIFACT_TRAINING_LOG: Final = "training_log.jsonl"
ARTIFACT_REPORT: Final = "report"

# Files and folders of a run on disk, beside its artifacts. `tune.folders` shows the whole tree.
RUN_TRIALS: Final = "trials"  # folder: one folder per trial
RUN_ENVIRONMENT: Final = "environment.json"
TRIAL_CHECKPOINT: Final = "checkpoint.pt"
REPORT_TABLES: Final = "tables"  # folder of the report: its tables in CSV, Markdown and LaTeX

LABELS: Final = {
    MONOLINGUAL: "monolingual",
    CROSSLINGUAL: "cross-lingual",
    MULTILINGUAL: "multilingual",
    MIXING_RATIO: "mixing ratio α",
    TEMPERATURE: "temperature",
    BATCH_SIZE: "batch size",
    UNTRAINED: "untrained encoder",
    BM25: "BM25",
    EN_EN: "En-En",
    X_X: "X-X",
    X_X_MONO: "X-X-mono",
    X_Y: "X-Y",
    HYBRID: "hybrid",
    AP: "mAP",
    AP_AT_20: "mAP@20",
    RR: "MRR",
    RECALL_AT_1: "recall@1",
    RECALL_AT_10: "recall@10",
    RECALL_AT_100: "recall@100",
    NDCG_AT_10: "nDCG@10",
    HIT_AT_1: "hit@1",
    HIT_AT_10: "hit@10",
    SET_F1: "F1 at R",
    ANSWER_F1: "answer F1",
    ANSWER_F1_SQUAD: "answer F1, SQuAD's rules",
    READER_F1: "reader's F1",
    READER_F1_SQUAD: "reader's F1, SQuAD's rules",
    READER_EXACT: "reader's exact match",
    READER_EXACT_SQUAD: "reader's exact match, SQuAD's rules",
    RANK_DISTANCE: "rank distance",
    RANK_DISTANCE_SEEN: "rank distance, seen languages",
    TOP1_OWN_LANGUAGE: "top-1 in the question's language",
    LANGUAGE_PREFERENCE: "language preference rate",
    PEER: "PEER",
    RANK_CORRELATION: "mean rank correlation",
}


def mean_metric(benchmark: str, measure: str, setting: str) -> str:
    """Name a trial's metric: the mean of a measure over one kind of setting.

    >>> mean_metric("xquad-r", "ap", "multilingual")
    'xquad-r/map_multilingual'
    """
    return f"{benchmark}/{MEAN_NAMES.get(measure, measure)}_{setting}"


def bias_metric(benchmark: str, measure: str) -> str:
    """Name a trial's metric of language bias, for example ``"xquad-r/rank_distance"``."""
    return f"{benchmark}/{measure}"


def curve_metric(metric: str, first_seed: bool = False) -> str:
    """Name the curve of a trial's metric over the mixing ratio, in the study's run.

    >>> curve_metric("xquad-r/map_multilingual")
    'curve/xquad-r/map_multilingual'
    """
    return f"{CURVE_OF_FIRST_SEED if first_seed else CURVE}/{metric}"


def curve_table_name(benchmark: str) -> str:
    """Name the report's table of the confirmed curve, without the file's ending ``.csv``.

    >>> curve_table_name("xquad-r")
    'curve-xquad-r'
    """
    return f"curve-{benchmark}"


def trial_name(phase: str, rest: str) -> str:
    """Name a trial, and so its folder.

    >>> trial_name(PHASE_CONFIRM, "a0.5-s0")
    'confirm-a0.5-s0'
    """
    return f"{phase}-{rest}"


def phase_of(trial: str) -> str:
    """Read the phase of a trial from its name.

    >>> phase_of("confirm-a0.5-s0")
    'confirm'
    """
    return trial.split("-")[0]
