import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.sections.all import measure_study, study_sections
from analysis.study.mlflow import Study


@pytest.mark.slow
def test_charts_made_in_half_of_the_time_are_valid_and_the_same_to_the_last_letter(
    study: Study, tmp_path: Path
) -> None:
    study = replace(study, cache_folder=tmp_path)
    headlines, sections = study_sections(measure_study(study, np.random.default_rng(1)))
    figures = [headline.figure for headline in headlines if headline.figure]
    figures += [figure for section in sections for figure in section.figures]
    assert len(figures) > 5
    for figure in figures:
        # As Altair makes it, which checks it against the schema of Vega-Lite.
        assert json.dumps(figure.specification) == json.dumps(figure.plot().to_dict())
