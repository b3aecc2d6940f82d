"""Configuration of the documentation site: ``make docs``."""

from importlib import metadata
from typing import Any

from latex2mathml.converter import convert

project = "splitopt"
author = "The splitopt authors"
release = metadata.version("splitopt")
# The theme writes this line at the foot of every page.
copyright = f"2026 {author}; splitopt {release}, licence Apache-2.0"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
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
html_math_renderer = "mathml"


def _inline(writer: Any, node: Any) -> None:
    writer.body.append(convert(node.astext()))
    raise _skip()


def _block(writer: Any, node: Any) -> None:
    writer.body.append(f"<p>{convert(node.astext(), display='block')}</p>")
    raise _skip()


def _skip() -> Exception:
    from docutils.nodes import SkipNode

    return SkipNode()


def setup(app: Any) -> None:
    """Render formulas as MathML, which browsers draw themselves: no script, no network."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
