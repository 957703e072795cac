"""simbench: how well do language models simulate the people of behavioural experiments?

The public names, for plugin authors and notebooks. Nothing is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simbench import errors as errors
    from simbench.backends.base import Answer as Answer
    from simbench.backends.base import Backend as Backend
    from simbench.backends.base import Model as Model
    from simbench.backends.base import Workspace as Workspace
    from simbench.design import Factor as Factor
    from simbench.design import Item as Item
    from simbench.design import Option as Option
    from simbench.design import People as People
    from simbench.design import Profile as Profile
    from simbench.design import Regression as Regression
    from simbench.experiments.base import Experiment as Experiment
    from simbench.experiments.studies import Study as Study
    from simbench.experiments.studies import studies as studies
    from simbench.harness.api import infer as infer
    from simbench.harness.api import plan as plan
    from simbench.harness.api import rescore as rescore
    from simbench.harness.api import run as run
    from simbench.harness.api import simulate as simulate
    from simbench.harness.library import load_runs as load_runs
    from simbench.interview import Interview as Interview
    from simbench.interview import Transcript as Transcript
    from simbench.metrics.base import Comparison as Comparison
    from simbench.metrics.base import Metric as Metric
    from simbench.metrics.base import Score as Score
    from simbench.plugin.marker import PLUGIN_API as PLUGIN_API
    from simbench.plugin.marker import hookimpl as hookimpl
    from simbench.samplers.base import Draw as Draw
    from simbench.samplers.base import Sampler as Sampler
    from simbench.settings import setting as setting

_HOME = {
    "PLUGIN_API": "simbench.plugin.marker",
    "Answer": "simbench.backends.base",
    "Backend": "simbench.backends.base",
    "Comparison": "simbench.metrics.base",
    "Draw": "simbench.samplers.base",
    "Experiment": "simbench.experiments.base",
    "Factor": "simbench.design",
    "Interview": "simbench.interview",
    "Item": "simbench.design",
    "Metric": "simbench.metrics.base",
    "Model": "simbench.backends.base",
    "Option": "simbench.design",
    "People": "simbench.design",
    "Profile": "simbench.design",
    "Regression": "simbench.design",
    "Sampler": "simbench.samplers.base",
    "Score": "simbench.metrics.base",
    "Study": "simbench.experiments.studies",
    "Transcript": "simbench.interview",
    "Workspace": "simbench.backends.base",
    "hookimpl": "simbench.plugin.marker",
    "infer": "simbench.harness.api",
    "load_runs": "simbench.harness.library",
    "plan": "simbench.harness.api",
    "rescore": "simbench.harness.api",
    "run": "simbench.harness.api",
    "setting": "simbench.settings",
    "simulate": "simbench.harness.api",
    "studies": "simbench.experiments.studies",
}
__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name == "errors":
        return import_module("simbench.errors")
    raise AttributeError(f"module 'simbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*(name for name in globals() if name.startswith("__")), *_HOME, "errors"})
