"""Names that one package writes and another reads: parameters, metrics, tags, files and columns.

The study writes these names to MLflow and to disk, and the analysis reads them back, so both
import them from here. All are legal in MLflow (letters, digits, ``_ - . /`` and spaces).
`LABELS` holds the words that figures and tables show instead.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from math import inf
from typing import Final, Literal, NamedTuple

Setting = Literal["monolingual", "crosslingual", "multilingual"]

MONOLINGUAL: Final = "monolingual"
CROSSLINGUAL: Final = "crosslingual"
MULTILINGUAL: Final = "multilingual"
SETTINGS: Final[tuple[Setting, ...]] = (MONOLINGUAL, CROSSLINGUAL, MULTILINGUAL)

# The scientific parameters of a study, and what varies between repetitions; names as in YAML.
MIXING_RATIO: Final = "mixing_ratio"
TEMPERATURE: Final = "temperature"
BATCH_SIZE: Final = "batch_size"
PAIRS: Final = "pairs"  # the budget of a training
SEED: Final = "seed"
DATA_PART: Final = "data_part"

# Per-query table, one row per (setting, query, pool); see `hybridir.evaluation.per_query`.
BENCHMARK: Final = "benchmark"
SETTING: Final = "setting"
QUERY_LANGUAGE: Final = "query_language"
POOL_LANGUAGE: Final = "pool_language"  # "all" in the multilingual setting
QUESTION_ID: Final = "question_id"
CLUSTER: Final = "cluster"  # of questions that are not independent: an article, an entity
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
# Of the multilingual pool: are all relevant passages among the first 10, 20, R (their number)?
COMPLETE_AT_10: Final = "complete_at_10"
COMPLETE_AT_20: Final = "complete_at_20"
COMPLETE_AT_R: Final = "complete_at_r"
COMPLETE_COLUMNS: Final = (COMPLETE_AT_10, COMPLETE_AT_20, COMPLETE_AT_R)
# Of the pool of the question's language and English; see `hybridir.evaluation.language_columns`.
BILINGUAL_AP: Final = "bilingual_ap"  # relevant in both languages
BILINGUAL_WORST_RANK: Final = "bilingual_worst_rank"
BILINGUAL_COMPLETE_AT_R: Final = "bilingual_complete_at_r"
BILINGUAL_OWN_AP: Final = "bilingual_own_ap"  # relevant in the question's language alone
BILINGUAL_ENGLISH_AP: Final = "bilingual_english_ap"  # relevant in English alone
ENGLISH_FIRST: Final = "english_first"  # an English distractor, relevant in the own language alone
ENGLISH_FIRST_OF_BOTH: Final = "english_first_of_both"  # the same, relevant in both languages
BILINGUAL_COLUMNS: Final = (
    *(BILINGUAL_AP, BILINGUAL_WORST_RANK, BILINGUAL_COMPLETE_AT_R),
    *(BILINGUAL_OWN_AP, BILINGUAL_ENGLISH_AP, ENGLISH_FIRST, ENGLISH_FIRST_OF_BOTH),
)
LANGUAGE_COLUMNS: Final = (*COMPLETE_COLUMNS, *BILINGUAL_COLUMNS)
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

# Table of scores for `hybridir infer`, beside the columns above; the report writes it.
VALUE: Final = "value"
MEASURE: Final = "measure"
STUDY: Final = "study"
CONDITIONS: Final = (TEMPERATURE, BATCH_SIZE, PAIRS)  # parameters that a study may cross
ARTIFACT_SCORES: Final = "scores.parquet"  # in the report's folder
ARTIFACT_BY_CLUSTER: Final = "scores_by_cluster.parquet"  # beside it

# Table of a reader's answers; see `hybridir.evaluation.reader.f1`.
ANSWER: Final = "answer"  # text of the answer
READER_F1: Final = "reader_f1"
READER_F1_SQUAD: Final = "reader_f1_squad"
READER_EXACT: Final = "reader_exact"
READER_EXACT_SQUAD: Final = "reader_exact_squad"
READER_MEASURES: Final = (READER_F1, READER_F1_SQUAD, READER_EXACT, READER_EXACT_SQUAD)

# Names of means over queries, where they differ from the measure's.
MEAN_NAMES: Final = {AP: "map", AP_AT_20: "map_at_20", RR: "mrr"}
# Measures that a study may declare its primary outcome, by the names of their means.
PRIMARY_MEASURES: Final = {"map": AP, SET_F1: SET_F1}
LANGUAGE_BIAS: Final = "language_bias"  # all measures of it, where a benchmark has none
RANK_DISTANCE: Final = "rank_distance"
RANK_DISTANCE_SEEN: Final = "rank_distance_seen"
TOP1_OWN_LANGUAGE: Final = "top1_own_language"
LANGUAGE_PREFERENCE: Final = "language_preference"
PEER: Final = "peer"
RANK_CORRELATION: Final = "rank_correlation"
MAX_AT_R: Final = "max_at_r"
MAX_AT_R_SHARE: Final = "max_at_r_share"  # of the pool
# The first passage of the multilingual pool: relevant or not, in the question's language or not.
TOP1_RIGHT_OWN: Final = "top1_right_own"
TOP1_RIGHT_OTHER: Final = "top1_right_other"
TOP1_WRONG_OWN: Final = "top1_wrong_own"
TOP1_WRONG_OTHER: Final = "top1_wrong_other"
FIRST_HITS: Final = (TOP1_RIGHT_OWN, TOP1_RIGHT_OTHER, TOP1_WRONG_OWN, TOP1_WRONG_OTHER)
BILINGUAL_MAP: Final = "bilingual_map"
BILINGUAL_MAX_AT_R: Final = "bilingual_max_at_r"
BILINGUAL_OWN_MAP: Final = "bilingual_own_map"
BILINGUAL_ENGLISH_MAP: Final = "bilingual_english_map"
ENGLISH_INCLINATION: Final = "english_inclination"
ENGLISH_INCLINATION_BOTH: Final = "english_inclination_both"

BIAS_MEASURES: Final = (
    *(RANK_DISTANCE, RANK_DISTANCE_SEEN, TOP1_OWN_LANGUAGE),
    *(LANGUAGE_PREFERENCE, PEER, RANK_CORRELATION),
    *(MAX_AT_R, MAX_AT_R_SHARE, *COMPLETE_COLUMNS, *FIRST_HITS),
    *(BILINGUAL_MAP, BILINGUAL_MAX_AT_R, BILINGUAL_COMPLETE_AT_R),
    *(BILINGUAL_OWN_MAP, BILINGUAL_ENGLISH_MAP, ENGLISH_INCLINATION, ENGLISH_INCLINATION_BOTH),
)
LOWER_IS_BETTER: Final = (
    *(RANK_DISTANCE, RANK_DISTANCE_SEEN, MAX_AT_R, MAX_AT_R_SHARE, BILINGUAL_MAX_AT_R),
    *(TOP1_WRONG_OWN, TOP1_WRONG_OTHER, ENGLISH_INCLINATION, ENGLISH_INCLINATION_BOTH),
)
_RANKS: Final = (RANK_DISTANCE, RANK_DISTANCE_SEEN, MAX_AT_R, BILINGUAL_MAX_AT_R)
_RANGES: Final = {
    **dict.fromkeys(_RANKS, (0.0, inf)),
    RANK_CORRELATION: (-1.0, 1.0),
}

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
# Before the name of a reported benchmark: what was met in its files, and how it counts.
JUDGEMENTS: Final = "judgements."
# Measure and setting of each primary outcome, and its benchmark after a colon if it has one:
# "map multilingual, set_f1 multilingual: xquad-r".
PRIMARY: Final = "primary"
CONFIRM_AT: Final = "confirm_at"  # as `at` of the settings; "listed" or "listed_per_ratio"
CONFIRM_LEVELS: Final = "confirm_levels"  # "temperature=0.02,0.05 pairs=2048", or "none"
SEARCH_SEEDS: Final = "search_seeds"
SEARCHED: Final = "searched"  # names of the searched parameters, separated by spaces, or "none"

# Metrics of the parent run; `curve_metric` puts the first two before a trial's metric.
CURVE: Final = "curve"
CURVE_OF_FIRST_SEED: Final = "first-seed-curve"
CURVE_RATIO: Final = "curve/mixing_ratio"  # the x axis of the curves
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
TAG_COMMIT: Final = "mlflow.source.git.commit"
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
# Kinds of batches of trained baselines, where they are not the study's own.
BASELINE_KINDS: Final = {
    **{EN_EN: EN_EN, X_X: X_X},
    **dict.fromkeys((X_X_MONO, X_Y, HYBRID), "hybrid"),
}
# Baselines that are points on the curve over the mixing ratio. Hybrid: the published ratio.
BASELINE_RATIOS: Final = {X_X_MONO: 1.0, X_Y: 0.0, HYBRID: 0.5}

# How a trial ended; the words are Optuna's.
COMPLETE: Final = "COMPLETE"
PRUNED: Final = "PRUNED"
FAIL: Final = "FAIL"

# File in a reader's folder: how the reader was made.
READER_RECORD: Final = "hybridir_reader.json"

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
TRIAL_EMBEDDINGS: Final = "embeddings"  # folder: of a benchmark that memory cannot hold
REPORT_TABLES: Final = "tables"  # folder of the report: its tables in CSV, Markdown and LaTeX

SIMILARITIES: Final = {"cosine": "cosine", "dot": "dot product"}
LABELS: Final = {
    MONOLINGUAL: "monolingual",
    CROSSLINGUAL: "cross-lingual",
    MULTILINGUAL: "multilingual",
    MIXING_RATIO: "mixing ratio α",
    TEMPERATURE: "temperature",
    BATCH_SIZE: "batch size",
    PAIRS: "training pairs",
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
    LANGUAGE_BIAS: "language bias",
    RANK_DISTANCE: "rank distance",
    RANK_DISTANCE_SEEN: "rank distance, seen languages",
    TOP1_OWN_LANGUAGE: "top-1 in the question's language",
    LANGUAGE_PREFERENCE: "language preference rate",
    PEER: "PEER",
    RANK_CORRELATION: "mean rank correlation",
    MAX_AT_R: "Max@R",
    MAX_AT_R_SHARE: "Max@R, share of the pool",
    COMPLETE_AT_10: "Complete@10",
    COMPLETE_AT_20: "Complete@20",
    COMPLETE_AT_R: "Complete@R",
    TOP1_RIGHT_OWN: "first hit right, in the question's language",
    TOP1_RIGHT_OTHER: "first hit right, in another language",
    TOP1_WRONG_OWN: "first hit wrong, in the question's language",
    TOP1_WRONG_OTHER: "first hit wrong, in another language",
    BILINGUAL_MAP: "mAP with English",
    BILINGUAL_MAX_AT_R: "Max@R with English",
    BILINGUAL_COMPLETE_AT_R: "Complete@R with English",
    BILINGUAL_OWN_MAP: "mAP among English distractors",
    BILINGUAL_ENGLISH_MAP: "mAP of English among distractors in the question's language",
    ENGLISH_INCLINATION: "English inclination",
    ENGLISH_INCLINATION_BOTH: "English inclination, English relevant as well",
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


def lower_is_better(metric: str) -> bool:
    """Whether a metric is the better the lower it is, such as ``dev/rank_distance``.

    >>> lower_is_better("dev/rank_distance"), lower_is_better("dev/map_mean")
    (True, False)
    """
    return metric.rpartition("/")[2] in LOWER_IS_BETTER


def bounds_of(measure: str) -> tuple[float, float]:
    """Look up the lowest and the highest possible value of a measure.

    >>> bounds_of("ap"), bounds_of("rank_distance")
    ((0.0, 1.0), (0.0, inf))
    """
    return _RANGES.get(measure, (0.0, 1.0))


def curve_metric(metric: str, condition: str = "", *, first_seed: bool = False) -> str:
    """Name the curve of a trial's metric over the mixing ratio, in the study's run.

    Args:
        metric: the trial's metric.
        condition: see `ConfirmedName.condition`.
        first_seed: whether the curve is that of the first seed alone.

    >>> curve_metric("xquad-r/map_multilingual")
    'curve/xquad-r/map_multilingual'
    >>> curve_metric("xquad-r/map_multilingual", "pairs2048")
    'curve/xquad-r/map_multilingual/pairs2048'
    """
    curve = CURVE_OF_FIRST_SEED if first_seed else CURVE
    return "/".join([curve, metric, *([condition] if condition else [])])


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


class ConfirmedName(NamedTuple):
    """The parts of a confirmed trial's name.

    Attributes:
        ratio: mixing ratio to six digits; the trial's configuration has it exactly.
        condition: values of the other parameters that the confirmation varies, such as
            ``temperature0.02-pairs2048``; "" if it varies the ratio alone.
        repeat: number of the repeated measurement, from 0.
    """

    ratio: float
    condition: str
    repeat: int


def confirmed_trial(ratio: float, varied: Mapping[str, object], repeat: int) -> str:
    """Name a trial of the confirmation.

    Args:
        ratio: its mixing ratio.
        varied: its values of the other parameters that the confirmation varies.
        repeat: number of the repeated measurement, from 0.

    >>> confirmed_trial(0.5, {}, 0)
    'confirm-a0.5-s0'
    >>> confirmed_trial(0.5, {"temperature": 0.02, "pairs": 2048}, 3)
    'confirm-a0.5-temperature0.02-pairs2048-s3'
    """
    levels = "".join(f"-{name}{level_text(value)}" for name, value in varied.items())
    return trial_name(PHASE_CONFIRM, f"a{ratio:g}{levels}-s{repeat}")


def read_confirmed_trial(trial: str) -> ConfirmedName | None:
    """Read the name of a confirmed trial; None if another trial has this name.

    >>> read_confirmed_trial("confirm-a0.5-temperature0.02-pairs2048-s3")
    ConfirmedName(ratio=0.5, condition='temperature0.02-pairs2048', repeat=3)
    """
    match = _CONFIRMED_NAME.fullmatch(trial)
    return ConfirmedName(float(match[1]), match[2] or "", int(match[3])) if match else None


# The ratio may have an exponent, such as 1e-05.
_CONFIRMED_NAME = re.compile(r"confirm-a([0-9.]+(?:e-[0-9]+)?)(?:-([a-z].*))?-s([0-9]+)")


def level_text(value: object) -> str:
    """A value in the name of a trial: without exponent, capitals and hyphens, and exact.

    >>> [level_text(value) for value in (0.00003, 32, 1.0, True, "x-x")]
    ['0.00003', '32', '1', 'true', 'x_x']
    """
    if isinstance(value, float):
        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(value).lower().replace("-", "_")


def phase_of(trial: str) -> str:
    """Read the phase of a trial from its name.

    >>> phase_of("confirm-a0.5-s0")
    'confirm'
    """
    return trial.split("-")[0]
