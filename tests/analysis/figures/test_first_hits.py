import pandas as pd
import pytest

from analysis.figures.first_hits import _get_first_hits_info, plot_first_hits
from hybridir import names


def test_four_shares_are_stacked_in_their_order_and_add_up_to_one() -> None:
    shares = (0.6, 0.1, 0.25, 0.05)
    rows = [
        {
            "measure": kind,
            "setting": names.MULTILINGUAL,
            names.MIXING_RATIO: ratio,
            "mean": share,
            "low": share - 0.01,
            "high": share + 0.01,
            "n_seeds": 3,
            "n_clusters": 48,
        }
        for kind, share in zip((*names.FIRST_HITS, names.AP), (*shares, 0.5), strict=True)
        for ratio in (0.0, 1.0)
    ]
    info = _get_first_hits_info(pd.DataFrame(rows))
    at_start = info.shares[info.shares[names.MIXING_RATIO] == 0].sort_values("order")
    assert at_start["kind"].tolist() == list(names.FIRST_HITS)
    assert at_start["share"].sum() == pytest.approx(1)
    assert info.labels[0] == "first hit right, in the question's language"
    plot_first_hits(pd.DataFrame(rows)).to_dict()  # Altair validates the chart
