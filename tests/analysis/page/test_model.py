import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.sections.all import measure_study, study_sections
from analysis.study.mlflow import Study


@pytest.mark.long
def test_charts_are_valid(study: Study, tmp_path: Path) -> None:
    study = replace(study, cache_folder=tmp_path)
    headlines, sections = study_sections(measure_study(study, np.random.default_rng(1)))
    figures = [headline.figure for headline in headlines if headline.figure]
    figures += [figure for section in sections for figure in section.figures]
    assert len(figures) > 5
    for figure in figures:
        # As Altair makes it, which checks it against the schema of Vega-Lite.
        assert json.dumps(figure.specification) == json.dumps(figure.plot().to_dict())
