from mlflow.utils.validation import _validate_metric_name, _validate_param_name, _validate_tag_name

from hybridir import names

CONSTANTS = {key: value for key, value in vars(names).items() if key.isupper()}


def test_pain_06_mlflow_accepts_the_name_of_every_metric() -> None:
    settings = (*names.SETTINGS, "mean")
    metrics = [
        *(names.mean_metric("xquad-r", m, s) for m in names.MEASURES for s in settings),
        *(
            names.bias_metric("xquad-r", measure)
            for measure in (names.RANK_DISTANCE, names.RANK_DISTANCE_SEEN, names.TOP1_OWN_LANGUAGE)
        ),
        *(value for value in CONSTANTS.values() if isinstance(value, str) and "/" in value),
    ]
    assert len(metrics) > 7 * 4 + 3  # measures x settings, biases, and training metrics
    for metric in metrics:
        _validate_metric_name(metric)


def test_mlflow_accepts_the_names_of_parameters_and_tags() -> None:
    for name in (names.MIXING_RATIO, names.TEMPERATURE, names.BATCH_SIZE, names.SEED):
        _validate_param_name(name)
    for key, value in CONSTANTS.items():
        if key.startswith("TAG_"):
            _validate_tag_name(value)
