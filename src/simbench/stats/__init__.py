"""Statistics on arrays: pure functions that know nothing of experiments, models or files.

The one convention: data are coded once, and **resampling is a weight matrix W of shape (R, n)** over the n
rows of a sample; row 0 is all ones (the estimate), the other rows are multiplicities (see
:mod:`simbench.stats.resampling`). Every statistic takes W and returns R results, by matrix products.

NaN means *not computable*, everywhere, and each function says when that is. Errors (``ValueError``) are for
arguments that no data could make right.
"""

from __future__ import annotations

from simbench.stats.divergences import (
    expected_counts,
    js_distance,
    kl_divergence,
    normalise,
    option_counts,
    simbench_score,
    total_variation,
    wasserstein_ordered,
)
from simbench.stats.intervals import (
    Difference,
    Interval,
    acceleration,
    bca_interval,
    benjamini_hochberg,
    bootstrap_p,
    holm,
    normal_interval,
    paired_difference,
    percentile_interval,
)
from simbench.stats.recovery import (
    SignRecovery,
    WaldTest,
    compatible_share,
    effect_correlation,
    equal_coefficients,
    exaggeration,
    interval_coverage,
    sign_recovery,
)
from simbench.stats.regression import (
    Design,
    Fit,
    Status,
    fit_firth,
    fit_glm,
    fit_ordered,
    formula_columns,
    formula_designs,
)
from simbench.stats.resampling import (
    bootstrap_pair,
    bootstrap_weights,
    jackknife_weights,
    split_halves,
    two_level_weights,
)
from simbench.stats.rng import generator
from simbench.stats.structures import (
    assemblage_bootstrap,
    code_structures,
    entropy,
    entropy_ratio,
    mode_share,
    rarefied_count,
    unique_count,
)

__all__ = [
    "Design",
    "Difference",
    "Fit",
    "Interval",
    "SignRecovery",
    "Status",
    "WaldTest",
    "acceleration",
    "assemblage_bootstrap",
    "bca_interval",
    "benjamini_hochberg",
    "bootstrap_p",
    "bootstrap_pair",
    "bootstrap_weights",
    "code_structures",
    "compatible_share",
    "effect_correlation",
    "entropy",
    "entropy_ratio",
    "equal_coefficients",
    "exaggeration",
    "expected_counts",
    "fit_firth",
    "fit_glm",
    "fit_ordered",
    "formula_columns",
    "formula_designs",
    "generator",
    "holm",
    "interval_coverage",
    "jackknife_weights",
    "js_distance",
    "kl_divergence",
    "mode_share",
    "normal_interval",
    "normalise",
    "option_counts",
    "paired_difference",
    "percentile_interval",
    "rarefied_count",
    "sign_recovery",
    "simbench_score",
    "split_halves",
    "total_variation",
    "two_level_weights",
    "unique_count",
    "wasserstein_ordered",
]
