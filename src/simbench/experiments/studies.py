"""Experiments that a plugin declares in YAML files of its own: chosen by one word, with no file to name."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from simbench.errors import ConfigError, PluginError
from simbench.experiments.declaration import Declaration
from simbench.experiments.declared import DeclaredExperiment
from simbench.settings import setting

__all__ = ["Study", "StudyConfig", "studies"]


SYNTHETIC = re.compile(r"^synthetic *: *(true|yes|on)\b", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class StudyConfig:
    """Settings of a study that a plugin declares."""

    data: str = setting(
        "",
        "a file or folder with the study's data in place of its own source (SIMBENCH_DATA, a package, a download)",
        runtime=True,
    )


class Study(DeclaredExperiment):
    """A study whose YAML file lies in the folder of its module and has the study's name, ``NAME.yaml``.

    A subclass may override what YAML cannot say: ``coherent`` (the rule), ``shaped`` (the table).
    """

    Config: ClassVar[type[Any]] = StudyConfig

    @property
    def path(self) -> Path:
        """The YAML file's path."""
        return _folder(type(self).__module__) / f"{self.name}.yaml"

    @classmethod
    def people_are(cls) -> str:
        """What the file says of its people, read off one line: all of it takes too long for a list of plugins."""
        text = (_folder(cls.__module__) / f"{cls.name}.yaml").read_text(encoding="utf-8")
        return "synthetic" if SYNTHETIC.search(text) else "real"

    @property
    def declaration(self) -> Declaration:
        """The checked file."""
        found = super().declaration
        if found.design.name != self.name:
            raise ConfigError(f"{self.path}: expected the name {self.name!r}, found {found.design.name!r}")
        return found


def studies(module: str, *own: type[Study]) -> tuple[type[Study], ...]:
    """Every YAML file beside a module (``__name__``) as an experiment, for its hook ``simbench_experiments``.

    What ``simbench plugins`` says of it is the comment in the file's first line. ``own`` are classes that stand for
    their files, with what these leave to Python. Raises PluginError where there is no file.
    """
    files = sorted(_folder(module).glob("*.yaml"))
    written = {cls.name for cls in own}
    if not files or written - {path.stem for path in files}:
        lost = ", ".join(sorted(f"{name}.yaml" for name in written - {path.stem for path in files})) or "*.yaml"
        raise PluginError(f"expected {lost} beside {module} in {_folder(module)}")
    made = [_study(module, path) for path in files if path.stem not in written]
    return tuple(sorted((*made, *own), key=lambda cls: cls.name))


def _study(module: str, path: Path) -> type[Study]:
    with path.open(encoding="utf-8") as file:
        first = file.readline()
    about = first.lstrip("# ").strip() if first.startswith("#") else f"A study declared in {path.name}."
    title = "".join(part.capitalize() for part in path.stem.split("_"))
    return type(title, (Study,), {"__module__": module, "__doc__": about, "name": path.stem})


def _folder(module: str) -> Path:
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        raise PluginError(f"expected the name of a module with a file, __name__; found {module!r}")
    return Path(file).parent
