from typing import Any

import pytest

from hybridir.config import EncoderConfig, TrialConfig, validate
from hybridir.errors import InputError
from tests.support.tiny import settings


def message_for(content: object) -> str:
    with pytest.raises(InputError) as caught:
        validate(TrialConfig, content, "trial.yaml")
    return str(caught.value)


def changed(path: str, value: object) -> dict[str, Any]:
    """The tiny settings with one setting, named by a dotted path, changed."""
    content = settings()
    target = content
    *parents, last = path.split(".")
    for name in parents:
        target[name] = dict(target.get(name) or {})
        target = target[name]
    target[last] = value
    return content


SYNTHETIC = {"languages": 2, "entities": 30}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("batch.mixing_ratio", 1.2,
         "batch.mixing_ratio=1.2: input should be less than or equal to 1"),
        ("batch.mixing_ratio", -0.1, "=-0.1: input should be greater than or equal to 0"),
        ("batch.mixing_ratio", "half", "='half': input should be a valid number"),
        ("batch.mixing_ratio", float("nan"), "=nan: input should be"),
        ("batch.batch_size", 1, "batch.batch_size=1: input should be greater than or equal to 2"),
        ("batch.batch_size", 16.5, "=16.5: input should be a valid integer"),
        ("batch.kind", "both", "='both': input should be 'hybrid', 'x-x' or 'en-en'"),
        ("batch.coin", "fair", "input should be 'bernoulli' or 'stratified'"),
        ("batch.language_sampling", "some", "'uniform', 'proportional' or 'temperature'"),
        ("batch.language_exponent", 0, "input should be greater than 0"),
        ("training.pairs", 1, "training.pairs=1: input should be greater than or equal to 2"),
        ("training.temperature", 0, "training.temperature=0: input should be greater than 0"),
        ("training.temperature", 11, "input should be less than or equal to 10"),
        ("training.learning_rate", 0, "input should be greater than 0"),
        ("training.learning_rate", 1, "input should be less than 1"),
        ("training.weight_decay", -1, "input should be greater than or equal to 0"),
        ("training.betas", [0.9], "training.betas"),
        ("training.betas", [0.9, 1], "training.betas.1=1: input should be less than 1"),
        ("training.warmup", 1, "input should be less than 1"),
        ("training.clip_norm", 0, "input should be greater than 0"),
        ("training.precision", "fp8", "input should be 'auto', 'fp32' or 'bf16'"),
        ("training.checkpoint_every", 0, "input should be greater than or equal to 1"),
        ("training.epochs", 3, "training.epochs: there is no such setting; legal are pairs, temp"),
        ("training.learning_rte", 3, "no such setting; did you mean learning_rate?"),
        ("training", [3], "training=[3]: should be settings, 'name: value' each"),
        ("evaluation.batch_tokens", 10, "input should be greater than or equal to 512"),
        ("evaluation.reader", {}, "evaluation.reader: no weights given: name exactly one of path"),
        ("evaluation.reader", {"path": "a", "hub": {"id": "a/b", "revision": "c"}},
         "evaluation.reader: path and hub given"),
        ("evaluation.reader", {"hub": {"id": "a/b"}}, "evaluation.reader.hub.revision: is needed"),
        ("evaluation.reader", {"path": "a"},
         "evaluation: reader: synthetic-test has no answers to be read; report on xquad-r or "),
        ("seed", -1, "seed=-1: input should be greater than or equal to 0"),
        ("encoder.dropout", 1, "input should be less than 1"),
        ("encoder.pooling", "median", "encoder.pooling: 'median' given; legal are mean, cls, max"),
        ("encoder.pooling", "cls+pooler", "joined by + (cls+mean), and pooler alone"),
        ("encoder.similarity", "euclidean", "input should be 'cosine' or 'dot'"),
        ("encoder.query_length", 32769, "input should be less than or equal to 32768"),
        ("encoder.path", "a/folder", "path and from_scratch given: name exactly one of"),
        ("encoder.from_scratch", None, "no weights given: name exactly one of encoder.path"),
        ("encoder.from_scratch.heads", 3, "hidden_size=32 is not divisible by heads=3"),
        ("encoder.from_scratch.vocabulary", 10, "input should be greater than or equal to 200"),
        ("encoder.hub", {"id": "a/b"}, "encoder.hub.revision: is needed"),
        ("data.train", {}, "no source given: name exactly one of synthetic, lareqa, table"),
        ("data.train", {"synthetic": SYNTHETIC, "lareqa": {"name": "mlqa-r"}},
         "synthetic and lareqa given: name exactly one of"),
        ("data.train.synthetic.languages", 1, "input should be greater than or equal to 2"),
        ("data.train.synthetic.languages", 6, "input should be less than or equal to 5"),
        ("data.train.synthetic.entities", 29, "input should be greater than or equal to 30"),
        ("data.train.questions", "some", "input should be 'all' or 'shared'"),
        ("data.train", {"mix": [{"table": {"path": "a"}}]},
         "data.train: mix has one data set: name two or more"),
        ("data.train", {"mix": [{"table": {"path": "a"}}, {}]},
         "data.train.mix.1: no source given: name exactly one of lareqa, table, hub"),
        ("data.train", {"mix": [{"table": {"path": "a"}}] * 2, "synthetic": SYNTHETIC},
         "synthetic and mix given: name exactly one of synthetic, lareqa, table, hub, mix"),
        ("data.train", {"mix": [{"table": {"path": "a"}}, {"synthetic": SYNTHETIC}]},
         "data.train.mix.1.synthetic: there is no such setting; legal are lareqa, table, hub"),
        ("data.train", {"lareqa": {"name": "squad"}}, "input should be 'mlqa-r' or 'xquad-r'"),
        ("data.train", {"lareqa": {"name": "mlqa-r", "languages": ["en", "x/x"]}},
         "data.train.lareqa.languages: 'x/x' is no language code"),
        ("data.report_on", ["nothing"], "input should be 'synthetic-test', 'xquad-r' or 'mlqa-r'"),
        ("data.report_on", ["synthetic-test"] * 2, "data.report_on: a benchmark is named twice"),
        ("data.report_on", ["xquad-r"], "data.data_root: is needed: the folder that holds"),
        ("data.report_on", [{"name": "xquad-r", "languages": [False]}], "quote the word"),
        ("data.dev_share", 0, "input should be greater than 0"),
        ("data.dev_share", 1, "input should be less than 1"),
        ("data.tune_on", "test", "input should be 'dev'"),
    ],
)  # fmt: skip
def test_an_illegal_value_is_named_with_the_legal_values_on_one_line(
    path: str, value: object, message: str
) -> None:
    text = message_for(changed(path, value))
    assert message in text
    assert text.startswith("trial.yaml: ")
    assert "\n" not in text
    assert "pydantic" not in text


def test_the_tiny_settings_themselves_are_legal() -> None:
    TrialConfig.model_validate(settings())


def test_several_mistakes_are_named_in_one_message_a_line_each() -> None:
    content = changed("batch.mixing_ratio", 1.2)
    content["training"]["temperature"] = -1
    content["encoder"]["layers"] = 2
    lines = message_for(content).splitlines()
    assert lines[0] == "trial.yaml has 3 problems:"
    assert sorted(lines[1:]) == [
        "  - batch.mixing_ratio=1.2: input should be less than or equal to 1",
        "  - encoder.layers: there is no such setting; legal are "
        f"{', '.join(EncoderConfig.model_fields)}",
        "  - training.temperature=-1: input should be greater than 0",
    ]


def test_mistakes_across_fields_are_named_beside_mistakes_in_one_field() -> None:
    text = message_for(
        {
            "data": {
                "train": {"lareqa": {"name": "xquad-r"}},
                "report_on": ["xquad-r"],
                "dev_share": 2,
            },
            "encoder": {},
        }
    )
    assert "trial.yaml has 4 problems" in text
    assert "xquad-r is both trained and reported on" in text
    assert "data.dev_share=2" in text
    assert "data.data_root: is needed: the folder that holds xquad-r" in text
    assert "encoder: no weights given" in text


def test_data_sets_of_a_mixture_need_the_data_root_and_may_not_be_reported_on() -> None:
    mix = [{"lareqa": {"name": "mlqa-r"}}, {"lareqa": {"name": "xquad-r"}}]
    content = changed("data.train", {"mix": mix})
    content["data"]["report_on"] = ["xquad-r"]
    text = message_for(content)
    assert "xquad-r is both trained and reported on" in text
    assert "data.data_root: is needed: the folder that holds mlqa-r and xquad-r" in text


def test_synthetic_test_needs_the_synthetic_corpus() -> None:
    content = changed("data.train", {"table": {"path": "pairs.jsonl"}})
    assert "synthetic-test needs train.synthetic" in message_for(content)


@pytest.mark.parametrize("content", [None, [], "text", 7])
def test_content_that_is_no_mapping_is_refused(content: object) -> None:
    assert message_for(content).startswith("trial.yaml: ")


def test_a_benchmark_may_be_just_a_name() -> None:
    named = TrialConfig.model_validate(changed("data.report_on", ["synthetic-test"]))
    spelt = TrialConfig.model_validate(changed("data.report_on", [{"name": "synthetic-test"}]))
    assert named == spelt


def test_a_configuration_survives_json() -> None:
    config = TrialConfig.model_validate(settings())
    assert TrialConfig.model_validate_json(config.model_dump_json()) == config
