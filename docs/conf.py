"""Configuration of the documentation site: ``make docs``."""

from importlib import metadata

project = "splitopt"
author = "The splitopt authors"
release = metadata.version("splitopt")
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
]
html_theme = "furo"
html_title = "splitopt"
html_static_path: list[str] = []
exclude_patterns = ["lessons/**", "build/**"]
myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_mock_imports: list[str] = []
napoleon_use_rtype = False
