"""Settings of the documentation site (Sphinx). ``make docs`` builds it, with warnings as errors."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "simbench"
author = "The simbench authors"
project_copyright = f"%Y, {author}"
release = installed("simbench-eval")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build", "examples", "**.ipynb"]
html_theme = "furo"
html_title = "simbench"
html_extra_path = ["results/paper_framing.html", "results/paper_reference.html"]
html_copy_source = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header", "misc.highlighting_failure"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
napoleon_google_docstring = True
python_use_unqualified_type_names = True

OUTSIDE = re.compile(r"\]\((?:\.\./)+(?P<path>[\w./-]+)(?P<anchor>#[\w-]*)?\)")
PAGES = re.compile(r"\]\((?P<path>(?:results/)?[\w-]+\.(?:html|ipynb)|examples/[\w.-]*)\)")


def within_the_site(_: Any, name: str, source: list[str]) -> None:
    """Links of the pages work in a checkout; on the site those to files that are no pages are words."""
    if not name.startswith("reference/"):
        source[0] = OUTSIDE.sub(_words, source[0])
        source[0] = PAGES.sub(lambda found: f"] (`docs/{found['path']}`)", source[0])


def _words(link: re.Match[str]) -> str:
    """A link that climbs out of docs/ as words; one of a subfolder may climb within it."""
    return link[0] if (HERE / link["path"]).exists() else f"] (`{link['path']}`)"


def setup(app: Any) -> None:
    """Write the reference before pages are read."""
    from reference_pages import write

    app.connect("builder-inited", lambda _: write(HERE / "reference"))
    app.connect("source-read", within_the_site)
