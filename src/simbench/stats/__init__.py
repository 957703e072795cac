"""Statistics on arrays: pure functions that know nothing of experiments, models or files.

The one convention: data are coded once, and **resampling is a weight matrix W of shape (R, n)** over the n
rows of a sample; row 0 is all ones (the estimate), the other rows are multiplicities (see
:mod:`simbench.stats.resampling`). Every statistic takes W and returns R results, by matrix products.

NaN means *not computable*, everywhere, and each function says when that is. Errors (``ValueError``) are for
arguments that no data could make right.
"""

from __future__ import annotations

from simbench.stats._arrays import ratio
from simbench.stats.coherence import Information, action_distance, action_f1, flag_share, mutual_information
from simbench.stats.distance_interval import DistanceInterval, distance_interval
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
from simbench.stats.heterogeneity import (
    Flattening,
    VarianceParts,
    correlation_distance,
    correlation_matrices,
    cronbach_alpha,
    gini_parts,
    identity_flattening,
    standard_deviation,
    unseen_share,
    variance_parts,
)
from simbench.stats.individual import accuracy, brier_score, calibration_error, log_score
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
from simbench.stats.rectified import Rectified, Sample, rectified_glm, rectified_mean
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
from simbench.stats.worth import TrustedSize, trusted_size

__all__ = [
    "Design",
    "Difference",
    "DistanceInterval",
    "Fit",
    "Flattening",
    "Information",
    "Interval",
    "Rectified",
    "Sample",
    "SignRecovery",
    "Status",
    "TrustedSize",
    "VarianceParts",
    "WaldTest",
    "acceleration",
    "accuracy",
    "action_distance",
    "action_f1",
    "assemblage_bootstrap",
    "bca_interval",
    "benjamini_hochberg",
    "bootstrap_p",
    "bootstrap_pair",
    "bootstrap_weights",
    "brier_score",
    "calibration_error",
    "code_structures",
    "compatible_share",
    "correlation_distance",
    "correlation_matrices",
    "cronbach_alpha",
    "distance_interval",
    "effect_correlation",
    "entropy",
    "entropy_ratio",
    "equal_coefficients",
    "exaggeration",
    "expected_counts",
    "fit_firth",
    "fit_glm",
    "fit_ordered",
    "flag_share",
    "formula_columns",
    "formula_designs",
    "generator",
    "gini_parts",
    "holm",
    "identity_flattening",
    "interval_coverage",
    "jackknife_weights",
    "js_distance",
    "kl_divergence",
    "log_score",
    "mode_share",
    "mutual_information",
    "normal_interval",
    "normalise",
    "option_counts",
    "paired_difference",
    "percentile_interval",
    "rarefied_count",
    "ratio",
    "rectified_glm",
    "rectified_mean",
    "sign_recovery",
    "simbench_score",
    "split_halves",
    "standard_deviation",
    "total_variation",
    "trusted_size",
    "two_level_weights",
    "unique_count",
    "unseen_share",
    "variance_parts",
    "wasserstein_ordered",
]
