"""Statistics on arrays: pure functions that know nothing of experiments, models or files.

The one convention: data are coded once, and **resampling is a weight matrix W of shape (R, n)** over the n
rows of a sample; row 0 is all ones (the estimate), the other rows are multiplicities (see
:mod:`simbench.stats.resampling`). Every statistic takes W and returns R results, by matrix products.

NaN means *not computable*, everywhere, and each function says when that is. Errors (``ValueError``) are for
arguments that no data could make right.

A module is imported when one of its functions is first asked for: scipy alone takes a while.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simbench.stats._arrays import distinct_rows as distinct_rows
    from simbench.stats._arrays import ratio as ratio
    from simbench.stats.chance import permuted_js_divergence as permuted_js_divergence
    from simbench.stats.coherence import Information as Information
    from simbench.stats.coherence import action_distance as action_distance
    from simbench.stats.coherence import action_f1 as action_f1
    from simbench.stats.coherence import flag_share as flag_share
    from simbench.stats.coherence import mutual_information as mutual_information
    from simbench.stats.dispersion import Flattening as Flattening
    from simbench.stats.dispersion import VarianceParts as VarianceParts
    from simbench.stats.dispersion import correlation_distance as correlation_distance
    from simbench.stats.dispersion import correlation_matrices as correlation_matrices
    from simbench.stats.dispersion import cronbach_alpha as cronbach_alpha
    from simbench.stats.dispersion import gini_parts as gini_parts
    from simbench.stats.dispersion import identity_flattening as identity_flattening
    from simbench.stats.dispersion import standard_deviation as standard_deviation
    from simbench.stats.dispersion import unseen_share as unseen_share
    from simbench.stats.dispersion import variance_parts as variance_parts
    from simbench.stats.divergences import expected_counts as expected_counts
    from simbench.stats.divergences import js_distance as js_distance
    from simbench.stats.divergences import kl_divergence as kl_divergence
    from simbench.stats.divergences import normalise as normalise
    from simbench.stats.divergences import option_counts as option_counts
    from simbench.stats.divergences import simbench_score as simbench_score
    from simbench.stats.divergences import total_variation as total_variation
    from simbench.stats.divergences import wasserstein_ordered as wasserstein_ordered
    from simbench.stats.diversity import assemblage_bootstrap as assemblage_bootstrap
    from simbench.stats.diversity import assemblage_counts as assemblage_counts
    from simbench.stats.diversity import code_structures as code_structures
    from simbench.stats.diversity import entropy as entropy
    from simbench.stats.diversity import entropy_ratio as entropy_ratio
    from simbench.stats.diversity import mode_share as mode_share
    from simbench.stats.diversity import rarefied_count as rarefied_count
    from simbench.stats.diversity import unique_count as unique_count
    from simbench.stats.individual import accuracy as accuracy
    from simbench.stats.individual import brier_score as brier_score
    from simbench.stats.individual import calibration_error as calibration_error
    from simbench.stats.individual import log_score as log_score
    from simbench.stats.intervals import Difference as Difference
    from simbench.stats.intervals import Interval as Interval
    from simbench.stats.intervals import acceleration as acceleration
    from simbench.stats.intervals import bca_interval as bca_interval
    from simbench.stats.intervals import benjamini_hochberg as benjamini_hochberg
    from simbench.stats.intervals import bootstrap_p as bootstrap_p
    from simbench.stats.intervals import expanded_level as expanded_level
    from simbench.stats.intervals import holm as holm
    from simbench.stats.intervals import paired_difference as paired_difference
    from simbench.stats.intervals import percentile_interval as percentile_interval
    from simbench.stats.intervals import reported_interval as reported_interval
    from simbench.stats.recentring import recentred as recentred
    from simbench.stats.recovery import SignRecovery as SignRecovery
    from simbench.stats.recovery import WaldTest as WaldTest
    from simbench.stats.recovery import compatible_share as compatible_share
    from simbench.stats.recovery import effect_correlation as effect_correlation
    from simbench.stats.recovery import equal_coefficients as equal_coefficients
    from simbench.stats.recovery import exaggeration as exaggeration
    from simbench.stats.recovery import interval_coverage as interval_coverage
    from simbench.stats.recovery import sign_recovery as sign_recovery
    from simbench.stats.rectified import Rectified as Rectified
    from simbench.stats.rectified import Sample as Sample
    from simbench.stats.rectified import rectified_glm as rectified_glm
    from simbench.stats.rectified import rectified_mean as rectified_mean
    from simbench.stats.regression import Design as Design
    from simbench.stats.regression import Fit as Fit
    from simbench.stats.regression import Status as Status
    from simbench.stats.regression import fit_firth as fit_firth
    from simbench.stats.regression import fit_glm as fit_glm
    from simbench.stats.regression import fit_interval as fit_interval
    from simbench.stats.regression import fit_multinomial as fit_multinomial
    from simbench.stats.regression import fit_ordered as fit_ordered
    from simbench.stats.regression import formula_columns as formula_columns
    from simbench.stats.regression import formula_designs as formula_designs
    from simbench.stats.resampling import Scheme as Scheme
    from simbench.stats.resampling import bootstrap_weights as bootstrap_weights
    from simbench.stats.resampling import jackknife_weights as jackknife_weights
    from simbench.stats.resampling import resampling_scheme as resampling_scheme
    from simbench.stats.resampling import split_halves as split_halves
    from simbench.stats.rng import generator as generator
    from simbench.stats.survey import equal_people as equal_people
    from simbench.stats.trust import TrustedSize as TrustedSize
    from simbench.stats.trust import trusted_size as trusted_size
    from simbench.stats.worth import effective_size as effective_size
    from simbench.stats.worth import influences as influences

_HOME = {
    "Design": "simbench.stats.regression",
    "Difference": "simbench.stats.intervals",
    "Fit": "simbench.stats.regression",
    "Flattening": "simbench.stats.dispersion",
    "Information": "simbench.stats.coherence",
    "Interval": "simbench.stats.intervals",
    "Rectified": "simbench.stats.rectified",
    "Sample": "simbench.stats.rectified",
    "Scheme": "simbench.stats.resampling",
    "SignRecovery": "simbench.stats.recovery",
    "Status": "simbench.stats.regression",
    "TrustedSize": "simbench.stats.trust",
    "VarianceParts": "simbench.stats.dispersion",
    "WaldTest": "simbench.stats.recovery",
    "acceleration": "simbench.stats.intervals",
    "accuracy": "simbench.stats.individual",
    "action_distance": "simbench.stats.coherence",
    "action_f1": "simbench.stats.coherence",
    "assemblage_bootstrap": "simbench.stats.diversity",
    "assemblage_counts": "simbench.stats.diversity",
    "bca_interval": "simbench.stats.intervals",
    "benjamini_hochberg": "simbench.stats.intervals",
    "bootstrap_p": "simbench.stats.intervals",
    "bootstrap_weights": "simbench.stats.resampling",
    "brier_score": "simbench.stats.individual",
    "calibration_error": "simbench.stats.individual",
    "code_structures": "simbench.stats.diversity",
    "compatible_share": "simbench.stats.recovery",
    "correlation_distance": "simbench.stats.dispersion",
    "correlation_matrices": "simbench.stats.dispersion",
    "cronbach_alpha": "simbench.stats.dispersion",
    "distinct_rows": "simbench.stats._arrays",
    "effect_correlation": "simbench.stats.recovery",
    "effective_size": "simbench.stats.worth",
    "entropy": "simbench.stats.diversity",
    "entropy_ratio": "simbench.stats.diversity",
    "equal_coefficients": "simbench.stats.recovery",
    "equal_people": "simbench.stats.survey",
    "exaggeration": "simbench.stats.recovery",
    "expanded_level": "simbench.stats.intervals",
    "expected_counts": "simbench.stats.divergences",
    "fit_firth": "simbench.stats.regression",
    "fit_glm": "simbench.stats.regression",
    "fit_interval": "simbench.stats.regression",
    "fit_multinomial": "simbench.stats.regression",
    "fit_ordered": "simbench.stats.regression",
    "flag_share": "simbench.stats.coherence",
    "formula_columns": "simbench.stats.regression",
    "formula_designs": "simbench.stats.regression",
    "generator": "simbench.stats.rng",
    "gini_parts": "simbench.stats.dispersion",
    "holm": "simbench.stats.intervals",
    "identity_flattening": "simbench.stats.dispersion",
    "influences": "simbench.stats.worth",
    "interval_coverage": "simbench.stats.recovery",
    "jackknife_weights": "simbench.stats.resampling",
    "js_distance": "simbench.stats.divergences",
    "kl_divergence": "simbench.stats.divergences",
    "log_score": "simbench.stats.individual",
    "mode_share": "simbench.stats.diversity",
    "mutual_information": "simbench.stats.coherence",
    "normalise": "simbench.stats.divergences",
    "option_counts": "simbench.stats.divergences",
    "paired_difference": "simbench.stats.intervals",
    "percentile_interval": "simbench.stats.intervals",
    "permuted_js_divergence": "simbench.stats.chance",
    "rarefied_count": "simbench.stats.diversity",
    "ratio": "simbench.stats._arrays",
    "recentred": "simbench.stats.recentring",
    "rectified_glm": "simbench.stats.rectified",
    "rectified_mean": "simbench.stats.rectified",
    "reported_interval": "simbench.stats.intervals",
    "resampling_scheme": "simbench.stats.resampling",
    "sign_recovery": "simbench.stats.recovery",
    "simbench_score": "simbench.stats.divergences",
    "split_halves": "simbench.stats.resampling",
    "standard_deviation": "simbench.stats.dispersion",
    "total_variation": "simbench.stats.divergences",
    "trusted_size": "simbench.stats.trust",
    "unique_count": "simbench.stats.diversity",
    "unseen_share": "simbench.stats.dispersion",
    "variance_parts": "simbench.stats.dispersion",
    "wasserstein_ordered": "simbench.stats.divergences",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'simbench.stats' has no attribute {name!r}")
