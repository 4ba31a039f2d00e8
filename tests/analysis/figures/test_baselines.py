import pandas as pd

from analysis.figures.baselines import _get_baselines_info, plot_baselines


def rows() -> pd.DataFrame:
    figures: dict[str, object] = {"mean": 0.4, "low": 0.3, "high": 0.5}
    figures |= {"n_seeds": 1, "n_clusters": 12}
    names = (("bm25", None), ("x-y", 0.0), ("hybrid", 0.5))
    settings = (("ap", "monolingual"), ("ap", "multilingual"), ("rank_distance", "multilingual"))
    return pd.DataFrame(
        {"baseline": name, "mixing_ratio": ratio, "measure": measure, "setting": setting} | figures
        for name, ratio in names
        for measure, setting in settings
    )


def test_baselines_are_named_as_in_the_literature_and_mixed_ones_by_their_ratio() -> None:
    info = _get_baselines_info(rows())
    assert info.labels == ["BM25", "X-Y", "hybrid α = 0.5"]
    assert set(info.means[info.means["hybrid"]]["label"]) == {"hybrid α = 0.5"}


def test_each_setting_and_the_rank_distance_have_a_panel_of_their_own() -> None:
    info = _get_baselines_info(rows())
    assert info.panels == ["mAP, monolingual", "mAP, multilingual", "rank distance"]
    drawn = plot_baselines(rows()).to_dict()
    assert [panel["title"] for panel in drawn["hconcat"]] == info.panels
