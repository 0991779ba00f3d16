"""Sphinx configuration: MyST Markdown, equations, no network."""

from __future__ import annotations

import sys
from importlib.metadata import version as _version
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "qphys"
author = "the qphys founders"
release = _version("qphys")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"qphys {release}"
html_static_path: list[str] = []
exclude_patterns = ["_build", "_generated"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = False
nitpicky = False


def setup(app: object) -> None:
    """Make the tables and pictures that the pages include."""
    from generate import generate

    generate(HERE / "_generated")
