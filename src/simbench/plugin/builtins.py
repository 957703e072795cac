"""The built-ins register through the same hooks as a third party's plugin."""

from __future__ import annotations

from typing import Any

from simbench.plugin.marker import hookimpl

__all__ = ["Builtins"]


class Builtins:
    """simbench's own experiments, samplers, backends and metrics."""

    @hookimpl
    def simbench_experiments(self) -> tuple[type[Any], ...]:
        """Built-in experiments."""
        from simbench.experiments.declared import DeclaredExperiment
        from simbench.experiments.information_disclosure import InformationDisclosure

        return (InformationDisclosure, DeclaredExperiment)

    @hookimpl
    def simbench_samplers(self) -> tuple[type[Any], ...]:
        """Built-in samplers."""
        from simbench.samplers.balanced import Balanced
        from simbench.samplers.clusters import Clusters
        from simbench.samplers.none import NoPilot
        from simbench.samplers.random import Random
        from simbench.samplers.stratified import Stratified

        return (NoPilot, Random, Balanced, Stratified, Clusters)

    @hookimpl
    def simbench_backends(self) -> tuple[type[Any], ...]:
        """Built-in backends: the model-free baselines."""
        from simbench.backends.majority import Majority
        from simbench.backends.resample import Resample
        from simbench.backends.tabular import Tabular
        from simbench.backends.uniform import Uniform

        return (Uniform, Majority, Resample, Tabular)

    @hookimpl
    def simbench_metrics(self) -> tuple[type[Any], ...]:
        """Built-in metrics."""
        from simbench.metrics.alignment import JSDistance, KLDivergence, TotalVariation, Wasserstein
        from simbench.metrics.coherence import BeliefDecision, ValueActionGap
        from simbench.metrics.dispersion import IdentityFlattening, JointStructure
        from simbench.metrics.diversity import Diversity, UniqueStructures
        from simbench.metrics.effects import EffectSizes
        from simbench.metrics.equivalent import EquivalentN
        from simbench.metrics.individual import Individual
        from simbench.metrics.likelihood import LogLikelihood
        from simbench.metrics.recovery import CoefficientRecovery, TreatmentEffects
        from simbench.metrics.representation import SubgroupBias
        from simbench.metrics.share_distance import ShareDistance
        from simbench.metrics.trusted_size import TrustedSize
        from simbench.metrics.verdict import Verdict
        from simbench.metrics.worth import Worth

        heterogeneity = (UniqueStructures, Diversity, JointStructure, IdentityFlattening)
        alignment = (ShareDistance, JSDistance, TotalVariation, Wasserstein, KLDivergence, SubgroupBias)
        coherence = (ValueActionGap, BeliefDecision)
        recovery = (CoefficientRecovery, EffectSizes, TreatmentEffects)
        worth = (LogLikelihood, EquivalentN, Worth, TrustedSize, Individual, Verdict)
        return (*heterogeneity, *alignment, *coherence, *recovery, *worth)
