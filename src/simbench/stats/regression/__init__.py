"""Regressions of many resamples at once: ordinary least squares, logit and Poisson."""

from __future__ import annotations

from simbench.stats.regression.design import Design, formula_columns, formula_designs
from simbench.stats.regression.glm import fit_glm
from simbench.stats.regression.result import Fit, Status

__all__ = ["Design", "Fit", "Status", "fit_glm", "formula_columns", "formula_designs"]
