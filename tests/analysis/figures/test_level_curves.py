import pandas as pd

from analysis.figures.level_curves import _get_level_curves_info, plot_level_curves
from hybridir import names


def test_a_panel_per_setting_has_a_curve_per_level_in_ascending_order() -> None:
    rows = [
        {
            "measure": measure,
            "setting": setting,
            "parameter": names.TEMPERATURE,
            "level": level,
            names.MIXING_RATIO: ratio,
            "mean": 0.5,
            "low": 0.4,
            "high": 0.6,
            "may_be_best": True,
            "n_seeds": 3,
            "n_clusters": 48,
        }
        for measure in (names.AP, names.SET_F1)
        for setting in names.SETTINGS
        for level in (0.01, 0.05)
        for ratio in (0.0, 0.5, 1.0)
    ]
    table = pd.DataFrame(rows)
    info = _get_level_curves_info(table)
    assert (info.settings, info.levels) == (list(names.SETTINGS), ["0.01", "0.05"])
    assert info.title == "temperature"
    assert len(info.means) == 3 * 2 * 3, "mAP alone"
    plot_level_curves(table).to_dict()  # Altair validates the chart
