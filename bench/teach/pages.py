"""Static pages of the lessons, as MyST text with pictures beside it."""

from __future__ import annotations

import ast
import html
import inspect
import io
import json
import re
from pathlib import Path
from typing import Any

from splitopt.bench.teach.notebooks import Cell, run, title_of
from splitopt.instances.core.documents import write_bytes

__all__ = ["page", "write_page"]

# Code folded away: the page is read first for what it says and shows.
_FOLD = """```{{raw}} html
<details><summary>Code</summary>
```

{code}

```{{raw}} html
</details>
```"""


def _prose(code: str) -> str | None:
    """Return the text of a cell that is nothing but ``mo.md("...")``, None of any other."""
    body = ast.parse(code).body
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        return None
    call = body[0].value
    if (
        isinstance(call, ast.Call)
        and ast.unparse(call.func) == "mo.md"
        and len(call.args) == 1
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    ):
        return inspect.cleandoc(call.args[0].value)
    return None


def _control(output: Any) -> str:
    """Return a line for a control: what it sets, and the value the page was made with."""
    found = re.search(r"data-label='([^']*)'", output.text)
    label = json.loads(html.unescape(found[1])) if found else ""
    name = re.sub(r"<[^>]*>", "", label).strip()
    return f"> **{name}**: {output.value}. A control, live where the notebook is open."


def _shown(output: Any, folder: Path, stem: str, number: int) -> str:
    import matplotlib.figure
    import pandas as pd

    if isinstance(output, matplotlib.figure.Figure):
        stream = io.BytesIO()
        output.savefig(stream, format="png", dpi=110, bbox_inches="tight")
        name = f"{stem}-{number}.png"
        write_bytes(folder / name, stream.getvalue())
        axes = output.axes[0] if output.axes else None
        said = axes.get_title() if axes is not None else ""
        return f"![{said or 'figure'}]({name})"
    if isinstance(output, pd.DataFrame):
        table = output.to_html(border=0, classes="docutils")
        return "```{raw} html\n" + table + "\n```"
    if type(output).__name__ in ("slider", "checkbox", "dropdown", "number", "switch"):
        return _control(output)
    text = getattr(output, "text", None)
    if isinstance(text, str):
        # The class `contents` of marimo's wrapper means a table of contents to themes.
        inner = re.sub(r'^<span class="markdown[^"]*">', "<span>", text)
        return "```{raw} html\n<blockquote>" + inner + "</blockquote>\n```"
    return f"```text\n{output}\n```"


def page(path: Path, cells: list[Cell], folder: Path) -> str:
    """Return the page of a lesson that was run, and write its pictures into `folder`."""
    parts = []
    for number, cell in enumerate(cells):
        prose = _prose(cell.code)
        if prose is not None:
            parts.append(prose)
            continue
        if cell.code:
            parts.append(_FOLD.format(code="```python\n" + cell.code + "\n```"))
        if cell.output is not None:
            parts.append(_shown(cell.output, folder, path.stem, number))
    opened = f"Open it: `marimo edit docs/lessons/{path.name}`, after `make lessons`."
    return "\n\n".join([parts[0], opened, *parts[1:]]) + "\n"


def write_page(path: Path, folder: Path) -> Path:
    """Run a lesson and write its page into `folder`; return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    title_of(path)
    target = folder / f"{path.stem}.md"
    write_bytes(target, page(path, run(path), folder).encode())
    return target
