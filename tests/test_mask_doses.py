"""Slopes and mediation by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from valuegate import mask_doses as doses

STRENGTHS = (-0.2, -0.1, 0.1, 0.2)


def table(steep, names="axis;random 0;random 1", longer=1.0):
    """Return issues in which log-odds go with the strength as told, and KL with its square."""
    strengths = longer * np.array(STRENGTHS)
    moved = [[s * steep_ for steep_ in (own, 0.1, -0.1) for s in strengths] for own in steep]
    return pd.DataFrame(
        {
            "issue": [f"i{n}" for n in range(len(steep))], "stance": 1.0, "names": names,
            "strengths": " ".join(map(str, STRENGTHS)),
            "stances": [1.0 + np.array(own) for own in moved],
            "kl": [np.tile(strengths**2, 3) for _ in steep],
        }
    )  # fmt: skip


def test_a_slope_does_not_depend_on_how_long_residuals_are():
    for longer in (1.0, 5.0):
        rows = table([2.0, 3.0, 4.0], longer=longer)
        found = doses.pushed(rows, "stances", "stance")
        steep = doses.along(found, "axis")
        np.testing.assert_allclose(steep[:, 0], [2, 3, 4])
        mean = doses.mean_slope(steep, rows["issue"])
        assert mean.estimate == pytest.approx(3)
        assert mean.n == 3
        assert doses.random_range(doses.along(found, "random")) == pytest.approx((-0.1, 0.1))


def test_stages_are_paired_by_issue_and_signs_turn_items():
    one, other = (doses.pushed(table(own), "stances", "stance") for own in ([1, 2, 3], [3, 4, 5]))
    gap = doses.interaction(
        doses.along(one, "axis"), doses.along(other, "axis"), pd.Series(["a", "b", "c"])
    )
    assert gap.estimate == pytest.approx(-2)
    assert gap.low == pytest.approx(-2)
    turned = doses.along(one, "axis", np.array([1.0, -1, 1]))
    np.testing.assert_allclose(turned[:, 0], [1, -2, 3])
    assert doses.stem("other feature 12") == "other feature"
    assert doses.stem("axis (features)") == "axis (features)"


def cued(total, without, random=0.0):
    rows = []
    for n, (issue, pair) in enumerate(itertools.product("abcd", "xy")):
        for side, sign in (("left", -0.5), ("right", 0.5)):
            wobble = 0.01 * n
            rows.append(
                {
                    "issue": issue, "pair": pair, "side": side, "place": sign * 3,
                    "stance": 7 + wobble + sign * total, "without": 7 + wobble + sign * without,
                    "random": np.array([7 + wobble + sign * (total - random)] * 3),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def test_what_goes_through_the_axis_is_what_goes_with_it():
    found = doses.cue(cued(1.0, 0.25, random=0.1), draws=50)
    assert found.total.estimate == pytest.approx(1)
    assert found.place.estimate == pytest.approx(3)
    assert found.indirect.estimate == pytest.approx(0.75)
    assert found.share.estimate == pytest.approx(0.75)
    np.testing.assert_allclose(found.random, 0.1)
    assert found.p == pytest.approx(0.25)


def test_no_share_of_nothing():
    rows = cued(1.0, 0.5)
    against = rows["issue"].isin(["a", "b"])
    rows.loc[against, "stance"] = 14 - rows.loc[against, "stance"]
    assert np.isnan(doses.cue(rows, draws=200).share.estimate)
