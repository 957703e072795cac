"""Items that are numbers, asked in bins: middles, means in their own units, interval regression."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wasserstein_distance

from simbench.design import Design, Item, People, Regression, design_from_json, design_to_json
from simbench.errors import ConfigError
from simbench.metrics.alignment import Wasserstein
from simbench.metrics.recovery import CoefficientRecovery
from simbench.metrics.trial import refuse_unfit
from simbench.stats import fit_interval

EDGES, LASTS = (0, 5, 10, 20), (4, 9, 19, 50)
PAYS = Item("pays", "decision", "How much would you pay?", EDGES, spans=tuple(zip(EDGES, LASTS, strict=True)))


@pytest.fixture
def priced(study: Any) -> Any:
    """The made-up study, and what people would pay."""
    items = (*study.design.items, PAYS)
    return type(study)(
        replace(study.design, items=items, regressions=(Regression("pays ~ tone", family="interval"),))
    )


def answers(study: Any, seed: int, shift: float) -> pd.DataFrame:
    """People who would pay a few units, more or less by tone."""
    frame = study.draw(seed, 200)
    paid = shift + 4 * frame["tone"] + np.random.default_rng(seed).gamma(2, 4, 200)
    return frame.assign(pays=np.array(EDGES)[np.searchsorted(EDGES, paid, side="right") - 1])


def test_a_bin_counts_as_its_middle(priced: Any) -> None:
    human, simulated = answers(priced, 1, 0), answers(priced, 2, 3)
    found = priced.scores(Wasserstein, priced.compare(human, simulated))
    middle = dict(zip(EDGES, (np.array(EDGES) + LASTS) / 2, strict=True))
    one, other = (frame["pays"].map(middle) for frame in (human, simulated))
    score = found["mean_difference", "pays", None, None]
    assert (score.human[0], score.simulated[0]) == pytest.approx((one.mean(), other.mean()))
    assert score.value[0] == pytest.approx(other.mean() - one.mean())
    span = middle[20] - middle[0]
    assert priced.value(found, "wasserstein", "pays") == pytest.approx(wasserstein_distance(one, other) / span)
    assert ("mean_difference", "colour", None, None) not in found


def test_an_interval_regression_on_both_sides(priced: Any) -> None:
    human, simulated = answers(priced, 1, 0), answers(priced, 2, 3)
    score = priced.scores(CoefficientRecovery, priced.compare(human, simulated, resamples=2))[
        "coefficient", "interval: pays: tone", None, None
    ]
    for side, frame in (("human", human), ("simulated", simulated)):
        codes = np.searchsorted(EDGES, frame["pays"])
        fit = fit_interval(codes, EDGES[1:], np.column_stack([np.ones(200), frame["tone"]]))
        assert getattr(score, side)[0] == pytest.approx(fit.estimates[0, 1])
    assert score.human[0] == pytest.approx(4, abs=2.5)


def test_a_number_survives_the_record_and_the_cut_of_its_options() -> None:
    design = Design("priced", (), (), (PAYS,))
    assert design_from_json(design_to_json(design)) == design
    fewer = Item("pays", "decision", "?", EDGES, only={20: {"arm": ["rich"]}}, spans=PAYS.spans)
    assert fewer.within({"arm": "poor"}).spans == PAYS.spans[:3]
    with pytest.raises(ConfigError, match="spans are"):
        Item("pays", "decision", "?", EDGES, spans=((0, 4),))


def test_interval_wants_bins(study: Any) -> None:
    design = replace(study.design, regressions=(Regression("harm ~ tone", family="interval"),))
    with pytest.raises(ConfigError, match="interval wants an item with three or more bins"):
        refuse_unfit(People(design, study.side(study.draw(1, 60), 0, 0).people.frame))
