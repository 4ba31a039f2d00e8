from typing import Any

import pytest

from hybridir import names
from tests.support.tiny import settings
from tune.study.baselines import baseline_parameters, baselines_to_run
from tune.study.file import StudyConfig

ALL = ("untrained", "bm25", "en-en", "x-x", "x-x-mono", "x-y", "hybrid")


def study(**changes: Any) -> StudyConfig:
    base = settings()
    return StudyConfig.model_validate(
        {"name": "tiny", **base.pop("data"), **base, "baselines": ALL} | changes
    )


def trials(of: StudyConfig) -> list[str]:
    return [baseline.trial.removeprefix("baseline-") for baseline in baselines_to_run(of)]


def test_each_baseline_is_what_lareqa_calls_it() -> None:
    alone = study(baseline_seeds=1)
    configs = {baseline.trial: baseline.config(alone, {}) for baseline in baselines_to_run(alone)}
    batches = {
        name: (config.batch.kind, config.batch.mixing_ratio)
        for name, config in configs.items()
        if config.retriever == "trained"
    }
    assert batches == {
        "baseline-en-en-s0": ("en-en", 0.5),
        "baseline-x-x-s0": ("x-x", 0.5),
        "baseline-x-x-mono-s0": ("hybrid", 1.0),
        "baseline-x-y-s0": ("hybrid", 0.0),
        "baseline-hybrid-s0": ("hybrid", 0.5),
    }
    assert configs["baseline-untrained-s0"].retriever == "untrained"
    assert configs["baseline-bm25-s0"].retriever == "bm25"
    assert all(config.data.report_on for config in configs.values())


def test_a_baseline_that_does_not_depend_on_the_seed_has_one_trial() -> None:
    pretrained = study(encoder={"path": "somewhere"}, baselines=ALL[:3], baseline_seeds=2)
    from_scratch = study(baselines=ALL[:3], baseline_seeds=2)
    assert trials(pretrained) == ["untrained-s0", "bm25-s0", "en-en-s0", "en-en-s1"]
    assert trials(from_scratch) == [
        "untrained-s0", "bm25-s0", "en-en-s0", "untrained-s1", "en-en-s1",
    ]  # fmt: skip


def test_without_a_confirmation_there_are_five_seeds() -> None:
    assert trials(study(baselines=["x-x"])) == [f"x-x-s{seed}" for seed in range(5)]


def test_baselines_have_the_seeds_and_parameters_of_the_confirmation() -> None:
    at = {"temperature": 0.2, "batch_size": 16}
    both = study(confirm={"mixing_ratio": [0.25], "at": at, "seeds": 2}, baselines=["x-x"])
    first, second = baselines_to_run(both)
    assert [first.seed, second.seed] == [repeat.seed for repeat in both.repeats]
    config = second.config(both, dict(at))
    assert (config.training.temperature, config.batch.batch_size) == (0.2, 16)
    assert config.batch.kind == "x-x"


def test_baselines_that_the_confirmation_trains_are_not_trained_again() -> None:
    curve = {"mixing_ratio": [0.0, 0.25, 1.0], "at": {"temperature": 0.05}, "seeds": 1}
    assert trials(study(confirm=curve)) == [
        "untrained-s0", "bm25-s0", "en-en-s0", "x-x-s0", "hybrid-s0",
    ]  # fmt: skip


def test_a_confirmation_of_other_batches_trains_no_baseline() -> None:
    at = {"temperature": 0.05, "kind": "x-x"}
    confirmed = study(confirm={"mixing_ratio": [0.5], "at": at, "seeds": 1}, baselines=["hybrid"])
    assert trials(confirmed) == ["hybrid-s0"]
    searched = study(
        space={"kind": {"choice": ["hybrid"]}},
        search={"trials": 2},
        confirm={"mixing_ratio": [0.5], "seeds": 1},
        baselines=["hybrid"],
    )
    assert trials(searched) == ["hybrid-s0"]


def test_every_baseline_has_a_label() -> None:
    assert set(ALL) <= set(names.LABELS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baselines": ["x-z"]}, "'hybrid'"),
        ({"baselines": ["x-x", "x-x"]}, "named twice"),
        ({"baselines": []}, "nothing to do"),
        (
            {"confirm": {"mixing_ratio": [0.5], "at": {}}, "baseline_seeds": 3},
            "leave baseline_seeds out",
        ),
    ],
)
def test_impossible_baselines_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        study(**changes)


def test_baselines_train_on_the_same_parts_of_the_data_as_the_confirmation() -> None:
    at = {"temperature": 0.05}
    curve = {"mixing_ratio": [0.25], "at": at, "seeds": 2, "data_parts": 2}
    dealt = study(confirm=curve, baselines=["x-x"])
    configs = [baseline.config(dealt, dict(at)) for baseline in baselines_to_run(dealt)]
    parts = [config.data.data_part for config in configs]
    seeds = [config.seed for config in configs]
    assert list(zip(seeds, parts, strict=True)) == [repeat[1:] for repeat in dealt.repeats]
    assert [part.number for part in parts if part] == [0, 0, 1, 1]


def test_baselines_of_a_crossed_confirmation_are_trained_at_the_first_values() -> None:
    curve = {"mixing_ratio": [0.25], "temperature": [0.02, 0.05], "pairs": [128, 64], "seeds": 1}
    best = {"temperature": 0.7, "batch_size": 16, "mixing_ratio": 0.3}
    fixed = study(confirm={**curve, "at": {"batch_size": 32}}, baselines=["x-x"])
    searched = study(
        space={"batch_size": {"choice": [16, 64]}},
        search={"trials": 2},
        confirm=curve,
        baselines=["x-x"],
    )
    (baseline,) = baselines_to_run(fixed)
    for of, size in ((fixed, 32), (searched, 16)):
        config = baseline.config(of, baseline_parameters(of, dict(best)))
        assert (config.batch.kind, config.batch.batch_size) == ("x-x", size)
        assert (config.training.temperature, config.training.pairs) == (0.02, 128)
    assert baseline_parameters(study(baselines=["x-x"]), dict(best)) == best


def test_a_design_whose_first_kind_of_batches_is_another_trains_no_hybrid_baseline() -> None:
    curve = {"mixing_ratio": [0.5], "at": {"temperature": 0.05}, "seeds": 1}
    for kinds, expected in ((["hybrid", "x-x"], []), (["x-x", "hybrid"], ["hybrid-s0"])):
        assert trials(study(confirm={**curve, "kind": kinds}, baselines=["hybrid"])) == expected
