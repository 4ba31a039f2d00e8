import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hybridir.batches.plan import Batch, BatchKind, BatchPlan
from hybridir.config import BatchConfig
from hybridir.data.pairs import Pairs, concatenate
from hybridir.errors import InputError
from tests.support.tiny import crossing, pairs_of, parallel, python

CODES = ("ar", "de", "en", "zh")


@st.composite
def tables(draw: st.DrawFn) -> Pairs:
    """Questions in some of two to four languages, some sharing a passage group."""
    languages = draw(st.lists(st.sampled_from(CODES), min_size=2, max_size=4, unique=True))
    n_questions = draw(st.integers(5, 30))
    n_groups = draw(st.integers(1, 40))
    share = draw(st.sampled_from([0.5, 0.8, 1.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    group = rng.integers(n_groups, size=n_questions)
    rows = [
        (f"q{question}", f"g{group[question]}", language)
        for question in range(n_questions)
        for language in languages
        if question < 2 or rng.random() < share
    ]
    order = rng.permutation(len(rows))
    return pairs_of([rows[row] for row in order])


def plan_of(
    table: Pairs,
    batch_size: int,
    alpha: float,
    *,
    pairs: int | None = None,
    seed: int = 7,
    **options: object,
) -> BatchPlan:
    """A plan over one table; options are fields of `BatchConfig`."""
    settings = {"batch_size": batch_size, "mixing_ratio": alpha, **options}
    config = BatchConfig.model_validate(settings)
    return BatchPlan([table], config, pairs=pairs or 10_000 * batch_size, seed=seed)


def smallest_language(table: Pairs) -> int:
    return min(list(table.language).count(code) for code in table.languages)


def cross_lingual_rows(table: Pairs) -> set[tuple[int, int]]:
    rows = range(len(table))
    return {
        (first, second)
        for first in rows
        for second in rows
        if table.question_id[first] == table.question_id[second]
        and table.language[first] != table.language[second]
    }


def groups_in(table: Pairs, rows: object) -> set[str]:
    return {table.passage_group[row] for row in rows}  # type: ignore[attr-defined]


def assert_groups_are_distinct_where_possible(
    table: Pairs, batch: Batch, batch_size: int, available: set[str]
) -> None:
    names = [table.passage_group[row] for row in batch.passages]
    assert len(names) == batch_size
    assert len(set(names)) == min(batch_size, len(available))
    # The numbers in `groups` are equal exactly where the names are.
    assert len(set(zip(names, batch.groups.tolist(), strict=True))) == len(set(names))
    assert len(set(batch.groups.tolist())) == len(set(names))


@given(tables(), st.data())
def test_a_monolingual_batch_has_one_language_and_repeats_no_group_where_the_data_allow(
    table: Pairs, data: st.DataObject
) -> None:
    batch_size = data.draw(st.integers(2, smallest_language(table)))
    batch = plan_of(table, batch_size, 1.0)[data.draw(st.integers(0, 9_999))]
    assert batch.kind is BatchKind.MONOLINGUAL
    (language,) = {table.language[row] for row in batch.questions}
    assert batch.questions.tolist() == batch.passages.tolist()
    assert len(set(batch.questions.tolist())) == batch_size
    of_language = [row for row in range(len(table)) if table.language[row] == language]
    assert_groups_are_distinct_where_possible(
        table, batch, batch_size, groups_in(table, of_language)
    )


@given(tables(), st.data())
def test_in_a_cross_lingual_batch_languages_differ_in_every_pair_and_question_ids_agree(
    table: Pairs, data: st.DataObject
) -> None:
    possible = cross_lingual_rows(table)
    batch_size = data.draw(st.integers(2, min(len(possible), 40)))
    batch = plan_of(table, batch_size, 0.0)[data.draw(st.integers(0, 9_999))]
    assert batch.kind is BatchKind.CROSSLINGUAL
    drawn = list(zip(batch.questions.tolist(), batch.passages.tolist(), strict=True))
    assert set(drawn) <= possible
    assert len(set(drawn)) == batch_size
    assert_groups_are_distinct_where_possible(
        table, batch, batch_size, groups_in(table, [second for _, second in possible])
    )


@given(tables(), st.data())
def test_an_xx_batch_pairs_each_question_with_the_passage_of_its_own_row(
    table: Pairs, data: st.DataObject
) -> None:
    batch_size = data.draw(st.integers(2, len(table)))
    batch = plan_of(table, batch_size, 0.5, kind="x-x")[data.draw(st.integers(0, 9_999))]
    assert batch.kind is BatchKind.MIXED
    assert batch.questions.tolist() == batch.passages.tolist()
    assert len(set(batch.questions.tolist())) == batch_size
    assert_groups_are_distinct_where_possible(
        table, batch, batch_size, groups_in(table, range(len(table)))
    )


def test_an_xx_batch_mixes_languages() -> None:
    table = parallel(100, "de en zh")
    plan = plan_of(table, 32, 0.0, kind="x-x")
    for step in range(9):
        assert {table.language[row] for row in plan[step].questions} == {"de", "en", "zh"}


def test_an_enen_batch_is_english_only_whatever_the_ratio() -> None:
    table = parallel(40, "de en zh")
    plan = plan_of(table, 32, 0.0, kind="en-en")
    for step in range(20):
        batch = plan[step]
        assert batch.kind is BatchKind.MONOLINGUAL
        assert {table.language[row] for row in batch.questions} == {"en"}
        assert batch.questions.tolist() == batch.passages.tolist()


def test_pairs_repeat_only_if_there_are_fewer_than_a_batch_holds_of_one_group() -> None:
    # 4 rows of one language in 2 groups: a batch of 4 takes all of them, each once.
    table = pairs_of([("q0", "a", "en"), ("q1", "a", "en"), ("q2", "b", "en"), ("q3", "b", "en")])
    batch = plan_of(table, 4, 1.0)[0]
    assert sorted(batch.questions.tolist()) == [0, 1, 2, 3]
    # The first two are of different groups, so that what repeats comes last.
    assert len({table.passage_group[row] for row in batch.questions[:2]}) == 2


@pytest.mark.parametrize("alpha", [0.1, 0.3, 0.5, 0.9])
def test_bernoulli_coins_fall_with_probability_alpha_and_independently(alpha: float) -> None:
    plan = plan_of(parallel(8, "de en"), 4, alpha)
    coins = [plan.kind_of(step) is BatchKind.MONOLINGUAL for step in range(10_000)]
    # A fair coin fails this once in a thousand seeds; the seed is fixed.
    assert stats.binomtest(sum(coins), len(coins), alpha).pvalue > 1e-3
    followed = np.zeros((2, 2))
    np.add.at(followed, (np.array(coins[:-1:2], int), np.array(coins[1::2], int)), 1)
    assert stats.chi2_contingency(followed).pvalue > 1e-3


@given(st.floats(0, 1), st.integers(0, 2**62), st.integers(1, 400))
@settings(max_examples=30)
def test_stratified_coins_stay_within_one_of_alpha_n_for_every_n(
    alpha: float, seed: int, n: int
) -> None:
    plan = plan_of(parallel(8, "de en"), 4, alpha, seed=seed, coin="stratified")
    coins = [plan.kind_of(step) is BatchKind.MONOLINGUAL for step in range(n)]
    expected = alpha * np.arange(1, n + 1)
    assert np.abs(np.cumsum(coins) - expected).max() <= 1 + 1e-9


@pytest.mark.parametrize("coin", ["bernoulli", "stratified"])
@pytest.mark.parametrize(("alpha", "kind"), [(0.0, "crosslingual"), (1.0, "monolingual")])
def test_the_ends_of_the_ratio_are_exact(coin: str, alpha: float, kind: str) -> None:
    for seed in range(5):
        plan = plan_of(parallel(8, "de en"), 4, alpha, seed=seed, coin=coin)
        assert {plan.kind_of(step).value for step in range(300)} == {kind}


def test_the_coins_of_a_seed_are_shared_by_ratios_and_batch_sizes() -> None:
    def monolingual(batch_size: int, alpha: float) -> set[int]:
        plan = plan_of(parallel(64, "de en"), batch_size, alpha)
        return {step for step in range(500) if plan.kind_of(step) is BatchKind.MONOLINGUAL}

    assert monolingual(4, 0.3) < monolingual(4, 0.6) < monolingual(4, 0.8)
    assert monolingual(4, 0.6) == monolingual(64, 0.6)


UNEVEN = pairs_of(
    [(f"q{n}", f"g{n}", code) for code, size in (("ar", 30), ("de", 60), ("en", 240))
     for n in range(size)]
)  # fmt: skip


@pytest.mark.parametrize(
    ("sampling", "weights"),
    [
        ("uniform", [1, 1, 1]),
        ("proportional", [30, 60, 240]),
        ("temperature", [30**0.3, 60**0.3, 240**0.3]),
    ],
)
def test_languages_of_monolingual_batches_are_drawn_with_the_configured_weights(
    sampling: str, weights: list[float]
) -> None:
    plan = plan_of(UNEVEN, 4, 1.0, language_sampling=sampling)
    drawn = [UNEVEN.language[plan[step].questions[0]] for step in range(1500)]
    counts = [drawn.count(code) for code in UNEVEN.languages]
    expected = 1500 * np.array(weights) / sum(weights)
    assert stats.chisquare(counts, expected).pvalue > 1e-3


def test_ordered_language_pairs_are_drawn_uniformly_however_many_questions_they_share() -> None:
    plan = plan_of(UNEVEN, 4, 0.0)
    counts: dict[tuple[str, str], int] = {}
    for step in range(1500):
        batch = plan[step]
        for question, passage in zip(batch.questions, batch.passages, strict=True):
            pair = UNEVEN.language[question], UNEVEN.language[passage]
            counts[pair] = counts.get(pair, 0) + 1
    # ar-de and ar-en share 30 questions, de-en 60; each of the six ordered pairs gets a sixth.
    assert len(counts) == 6
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_rows_of_a_language_are_drawn_uniformly() -> None:
    table = parallel(25, "de en")
    plan = plan_of(table, 5, 1.0)
    counts = np.zeros(len(table))
    for step in range(1500):
        np.add.at(counts, plan[step].questions, 1)
    # Rows within a batch differ, so that counts vary a little less than independent ones would:
    # the test is on the safe side. Languages are even, see above.
    assert stats.chisquare(counts[::2]).pvalue > 1e-3
    assert stats.chisquare(counts[1::2]).pvalue > 1e-3


def as_lists(batch: Batch) -> list[object]:
    return [
        batch.step,
        batch.kind.value,
        batch.questions.tolist(),
        batch.passages.tolist(),
        batch.groups.tolist(),
    ]


@given(st.permutations(range(12)), st.sampled_from(["hybrid", "x-x", "en-en"]))
@settings(max_examples=20)
def test_random_access_gives_the_batches_of_sequential_access(order: list[int], kind: str) -> None:
    table = parallel(30, "de en zh")
    plan = plan_of(table, 8, 0.5, pairs=96, kind=kind)
    sequential = [as_lists(plan[step]) for step in range(len(plan))]
    assert len(sequential) == 12
    shuffled = plan_of(table, 8, 0.5, pairs=96, kind=kind)
    assert [as_lists(shuffled[step]) for step in order] == [sequential[step] for step in order]


IN_ANOTHER_PROCESS = """
import json, sys
from tests.hybridir.batches.test_plan import as_lists, plan_of
from tests.support.tiny import parallel
plan = plan_of(parallel(30, "de en zh"), 8, 0.5, seed=int(sys.argv[1]))
print(json.dumps([as_lists(plan[step]) for step in range(20)]))
"""


@pytest.mark.slow
def test_a_seed_gives_the_same_batches_in_another_process_and_another_seed_others() -> None:
    def here(seed: int) -> list[object]:
        plan = plan_of(parallel(30, "de en zh"), 8, 0.5, seed=seed)
        return [as_lists(plan[step]) for step in range(20)]

    assert here(1) != here(2)
    assert json.loads(python(IN_ANOTHER_PROCESS, "1", hash_seed=1)) == here(1)


@given(st.integers(1, 9), st.integers(2, 30), st.integers(0, 99))
def test_the_shards_of_all_ranks_make_up_the_batch_in_order_and_are_even(
    world_size: int, batch_size: int, step: int
) -> None:
    batch = plan_of(parallel(30, "de en"), batch_size, 0.5)[step]
    shards = [batch.shard(rank, world_size) for rank in range(world_size)]
    for column in ("questions", "passages", "groups"):
        whole = np.concatenate([getattr(shard, column) for shard in shards])
        assert whole.tolist() == getattr(batch, column).tolist()
    assert {shard.kind for shard in shards} == {batch.kind}
    sizes = [len(shard.questions) for shard in shards]
    assert max(sizes) - min(sizes) <= 1


def test_a_batch_comes_from_one_table_and_tables_are_drawn_by_size() -> None:
    small, large = parallel(20, "de en", "a"), parallel(60, "de zh", "b")
    plan = BatchPlan([small, large], BatchConfig(batch_size=5), pairs=10_000, seed=3)
    names = [*small.question_id, *large.question_id]
    languages = [*small.language, *large.language]
    groups_of: list[set[int]] = [set(), set()]
    batches = [plan[step] for step in range(len(plan))]
    for batch in batches:
        (table,) = {int(row >= 40) for row in [*batch.questions, *batch.passages]}
        groups_of[table] |= set(batch.groups.tolist())
        for question, passage in zip(batch.questions, batch.passages, strict=True):
            assert names[question] == names[passage]
            crosses = languages[question] != languages[passage]
            assert crosses == (batch.kind is BatchKind.CROSSLINGUAL)
        assert {languages[row] for row in batch.questions} <= {"de", ("en", "zh")[table]}
    assert not groups_of[0] & groups_of[1]
    from_large = [batch.questions[0] >= 40 for batch in batches].count(True)
    assert stats.binomtest(from_large, len(batches), 120 / 160).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [0.3, 0.7])
def test_a_table_without_translations_gives_monolingual_batches_alone_and_the_ratio_holds(
    alpha: float,
) -> None:
    # 40 rows in two languages, 60 in English alone, 100 in two languages.
    tables = [parallel(20, "de en", "a"), parallel(60, "en", "b"), parallel(50, "de zh", "c")]
    plan = BatchPlan(tables, BatchConfig(batch_size=5, mixing_ratio=alpha), pairs=20_000, seed=4)
    table_of = np.repeat([0, 1, 2], [40, 60, 100])
    drawn = np.zeros((2, 3))
    for step in range(len(plan)):
        batch = plan[step]
        (table,) = set(table_of[[*batch.questions, *batch.passages]].tolist())
        drawn[int(batch.kind is BatchKind.MONOLINGUAL), table] += 1
    crosslingual, monolingual = drawn
    steps = 20_000 // 5
    assert stats.binomtest(int(monolingual.sum()), steps, alpha).pvalue > 1e-3
    shares = np.array([40, 60, 100]) / 200
    assert stats.chisquare(monolingual, monolingual.sum() * shares).pvalue > 1e-3
    assert crosslingual[1] == 0
    shares = np.array([40, 100]) / 140
    assert stats.chisquare(crosslingual[[0, 2]], crosslingual.sum() * shares).pvalue > 1e-3


def test_english_batches_come_from_tables_with_english() -> None:
    tables = [parallel(20, "de zh", "a"), parallel(20, "de en", "b")]
    plan = BatchPlan(
        tables, BatchConfig(batch_size=5, mixing_ratio=0.5, kind="en-en"), pairs=1000, seed=4
    )
    languages = [*tables[0].language, *tables[1].language]
    assert {languages[row] for step in range(200) for row in plan[step].questions} == {"en"}


def test_of_several_tables_the_one_that_is_too_small_is_named() -> None:
    tables = [parallel(20, "de en", "a"), parallel(9, "de zh", "b")]
    with pytest.raises(InputError) as caught:
        BatchPlan(tables, BatchConfig(batch_size=19), pairs=1000, seed=4)
    message = str(caught.value)
    assert "data set 2: batch_size=19, but 'de' has only 9 training pairs" in message
    assert "data set 2: batch_size=19, but 'zh' has only 9 training pairs" in message
    assert "have 18 cross-lingual pairs" in message
    assert "data set 1" not in message


def test_tables_without_any_translation_are_refused_together() -> None:
    tables = [parallel(20, "de", "a"), parallel(20, "en", "b")]
    with pytest.raises(InputError, match="have 0 cross-lingual pairs"):
        BatchPlan(tables, BatchConfig(batch_size=5), pairs=1000, seed=4)


@given(st.integers(2, 500), st.integers(2, 16))
def test_the_budget_is_counted_in_pairs(pairs: int, batch_size: int) -> None:
    plan = plan_of(parallel(16, "de en"), batch_size, 0.5, pairs=pairs)
    assert (len(plan) - 1) * batch_size < pairs <= len(plan) * batch_size
    assert len(plan) == math.ceil(pairs / batch_size)
    for step in (-1, len(plan)):
        with pytest.raises(IndexError, match=f"step {step}: the plan has steps 0 to"):
            plan[step]


def test_a_batch_larger_than_languages_is_refused_with_every_number() -> None:
    with pytest.raises(InputError) as caught:
        plan_of(UNEVEN, 64, 0.5)
    message = str(caught.value)
    assert "batch_size=64, but 'ar' has only 30 training pairs" in message
    assert "'de' has only 60 training pairs" in message
    assert "'en'" not in message


def test_languages_may_be_small_where_no_batch_is_monolingual() -> None:
    assert len(plan_of(UNEVEN, 64, 0.0)[0].questions) == 64


@pytest.mark.parametrize("alpha", [0.0, 0.99])
def test_cross_lingual_batches_without_translations_are_refused(alpha: float) -> None:
    table = pairs_of([(f"q{n}", f"g{n}", code) for n, code in enumerate(["de", "en"] * 10)])
    with pytest.raises(InputError, match=r"have 0 cross-lingual pairs .* set mixing_ratio to 1"):
        plan_of(table, 4, alpha)
    assert plan_of(table, 4, 1.0)[0].kind is BatchKind.MONOLINGUAL


def test_english_batches_without_english_are_refused() -> None:
    with pytest.raises(InputError, match="kind=en-en, but no training pair is in English"):
        plan_of(parallel(9, "de zh"), 4, 0.5, kind="en-en")


def test_an_xx_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(InputError, match="batch_size=19, but there are only 18 training pairs"):
        plan_of(parallel(9, "de zh"), 19, 0.5, kind="x-x")


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(InputError, match="there are no training pairs"):
        plan_of(pairs_of([]), 4, 0.5)


def test_rows_that_cross_languages_are_in_cross_lingual_batches_alone() -> None:
    # 20 questions in two languages: 40 rows, 20 pairs each of de-en and en-de. 30 crossing rows,
    # of which 15 are de-en and 15 yo-en.
    table = concatenate([parallel(20, "de en"), crossing(30, "de yo", "en")])
    plan = plan_of(table, 5, 0.5)
    counts: Counter[tuple[str, str, bool]] = Counter()
    for step in range(1500):
        batch = plan[step]
        assert len(set(batch.groups.tolist())) == 5
        for question, passage in zip(
            batch.questions.tolist(), batch.passages.tolist(), strict=True
        ):
            if batch.kind is BatchKind.MONOLINGUAL:
                assert question == passage < 40
            else:
                pair = table.language[question], table.passage_languages[passage]
                assert question == passage >= 40 or max(question, passage) < 40
                counts[*pair, question >= 40] += 1
    # Each of three pairs of languages gets a third; de-en has 20 translations and 15 of its own.
    shares = {
        ("de", "en", False): 20 / 35,
        ("de", "en", True): 15 / 35,
        ("en", "de", False): 1.0,
        ("yo", "en", True): 1.0,
    }
    assert counts.keys() == shares.keys()
    drawn = [counts[key] for key in shares]
    expected = [share * sum(drawn) / 3 for share in shares.values()]
    assert stats.chisquare(drawn, expected).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [0.3, 0.7])
def test_a_table_of_rows_that_cross_languages_gives_no_monolingual_batch_and_the_ratio_holds(
    alpha: float,
) -> None:
    tables = [parallel(60, "en", "a"), crossing(40, "de yo", "en", "b")]
    plan = BatchPlan(tables, BatchConfig(batch_size=5, mixing_ratio=alpha), pairs=5000, seed=4)
    from_first = 0
    for step in range(len(plan)):
        batch = plan[step]
        (first,) = {bool(row < 60) for row in [*batch.questions, *batch.passages]}
        assert first is (batch.kind is BatchKind.MONOLINGUAL)
        from_first += first
    assert stats.binomtest(from_first, 1000, alpha).pvalue > 1e-3


def test_rows_that_cross_languages_alone_cannot_fill_monolingual_batches() -> None:
    table = crossing(30, "de yo", "en")
    assert plan_of(table, 8, 0.0)[0].kind is BatchKind.CROSSLINGUAL
    with pytest.raises(
        InputError, match=r"mixing_ratio=0\.5 asks for monolingual batches, but eve"
    ):
        plan_of(table, 8, 0.5)
    with pytest.raises(InputError, match="there are only 0 training pairs in one language each"):
        plan_of(table, 8, 0.0, kind="x-x")
