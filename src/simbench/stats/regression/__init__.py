"""Regressions of many resamples at once: least squares, logit (also Firth's), Poisson, ordered and
multinomial logit."""

from __future__ import annotations

from simbench.stats.regression.design import Design, formula_columns, formula_designs
from simbench.stats.regression.firth import fit_firth
from simbench.stats.regression.glm import fit_glm
from simbench.stats.regression.interval import fit_interval
from simbench.stats.regression.multinomial import fit_multinomial
from simbench.stats.regression.ordered import fit_ordered
from simbench.stats.regression.reported import reported
from simbench.stats.regression.result import Fit, Status

__all__ = [
    "Design",
    "Fit",
    "Status",
    "fit_firth",
    "fit_glm",
    "fit_interval",
    "fit_multinomial",
    "fit_ordered",
    "formula_columns",
    "formula_designs",
    "reported",
]
