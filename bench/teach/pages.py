"""Pages of the lessons, as MyST text with pictures beside it; their controls move without a server.

What a page shows at each position of its controls is worked out when it is made and stands in it;
`assets/lesson.js` switches. Without scripts the page shows where the lesson opens.
"""

from __future__ import annotations

import ast
import html
import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from splitopt.bench.teach.moves import Control, Moved, Moves, moves
from splitopt.bench.teach.notebooks import Cell, number_of, run
from splitopt.bench.teach.shown import Picture, shown
from splitopt.instances.core.documents import write_bytes
from splitopt.instances.core.errors import InputError

# Of a page with all its positions, in bytes.
LARGEST = 2_000_000
_ASSETS = Path(__file__).parent / "assets"
# Code folded away: the page is read first for what it says and shows.
_FOLD = """```{{raw}} html
<details><summary>Code</summary>
```

{code}

```{{raw}} html
</details>
```"""


def _raw(text: str) -> str:
    return f"````{{raw}} html\n{text}\n````"


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


def _id(control: Control) -> str:
    return f"control-{control.name}"


def _control(control: Control) -> str:
    """Return a native control, as keyboards and screen readers know it, off until scripted."""
    name, label = _id(control), html.escape(control.label)
    common = f'id="{name}" autocomplete="off" disabled'
    word = html.escape(control.said[control.start])
    label = f'<label for="{name}">{label}</label>'
    if control.kind == "box":
        ticked = " checked" if control.start else ""
        return f'<div class="lesson-control"><input type="checkbox" {common}{ticked}>{label}</div>'
    if control.kind == "choice":
        options = "".join(
            f'<option value="{k}"{" selected" if k == control.start else ""}>'
            f"{html.escape(said)}</option>"
            for k, said in enumerate(control.said)
        )
        return f'<div class="lesson-control">{label}<select {common}>{options}</select></div>'
    return (
        f'<div class="lesson-control">{label}<input type="range" {common} min="0" '
        f'max="{len(control.values) - 1}" step="1" value="{control.start}" '
        f'aria-valuetext="{word}"><span id="{name}-said" aria-hidden="true">{word}</span></div>'
    )


@dataclass
class _Page:
    """A page under construction."""

    stem: str
    folder: Path
    moves: Moves
    # What is shown somewhere, each once, and where it stands among them.
    kept: list[dict[str, str] | None] = field(default_factory=list)
    places: dict[Picture | str | None, int] = field(default_factory=dict)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    slide: str | None = None

    def cell(self, number: int, cell: Cell) -> Iterator[str]:
        """Yield the parts of a cell."""
        prose = _prose(cell.code)
        if prose is not None:
            yield prose
            return
        if cell.code:
            yield _FOLD.format(code="```python\n" + cell.code + "\n```")
        control = next((c for c in self.moves.controls if c.name in cell.defines), None)
        moved = self.moves.moved.get(number)
        if control is not None:
            yield _raw(_control(control))
        elif moved is not None:
            start = tuple(self.moves.controls[k].start for k in moved.by)
            box = f"output-{number}"
            self._keep(box, moved)
            what = moved.outputs[start]
            # A sentence is read out when it changes; a picture or a table is there to be looked at.
            read = ' aria-live="polite" aria-atomic="true"' if _sentence(what) else ""
            yield _raw(f'<div class="lesson-output" id="{box}"{read}>')
            if what is not None:
                yield self._still(number, what)
            yield _raw("</div>")
        elif cell.output is not None:
            yield self._still(number, shown(cell.output))

    def _still(self, number: int, what: Picture | str) -> str:
        if isinstance(what, str):
            return _raw(what)
        name = f"{self.stem}-{number}.svg"
        write_bytes(self.folder / name, what.svg.encode())
        if self.slide is None:
            self.slide = name
        said = what.alt.replace("[", "(").replace("]", ")").replace("\n", " ")
        return f"![{said}]({name})"

    def _keep(self, box: str, moved: Moved) -> None:
        of = []
        for what in moved.outputs.values():
            if what not in self.places:
                self.places[what] = len(self.kept)
                as_data = {"svg": what.svg, "alt": what.alt} if isinstance(what, Picture) else None
                self.kept.append({"html": what} if isinstance(what, str) else as_data)
            of.append(self.places[what])
        self.outputs.append({"id": box, "by": list(moved.by), "of": of})

    def script(self) -> str:
        """Return the script and the data of what moves."""
        controls = [
            {"id": _id(control), "said": control.said, "start": control.start}
            for control in self.moves.controls
        ]
        data = {"controls": controls, "outputs": self.outputs, "shown": self.kept}
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        # Nothing in it ends the element that it stands in.
        text = text.replace("</", "<\\/").replace("<!", "\\u003c!")
        style, script = ((_ASSETS / f"lesson.{kind}").read_text() for kind in ("css", "js"))
        return _raw(
            f"<style>\n{style}</style>\n"
            f'<script type="application/json" id="lesson">{text}</script>\n'
            f"<script>\n{script}</script>"
        )


def _sentence(what: Any) -> bool:
    return isinstance(what, str) and what.startswith("<blockquote>")


def page_name(path: Path) -> str:
    """Return what the page of a lesson is called: in the order of names 2 comes before 10."""
    return path.stem.replace(f"_{number_of(path)}_", f"_{number_of(path):02}_", 1)


def page(path: Path, cells: list[Cell], found: Moves, folder: Path) -> str:
    """Return the page of a lesson that was run, and write its pictures into `folder`."""
    made = _Page(page_name(path), folder, found)
    parts = [part for number, cell in enumerate(cells) for part in made.cell(number, cell)]
    opened = f"Open it: `marimo edit docs/lessons/{path.name}`, after `make lessons`."
    if found.controls:
        opened += (
            " On this page the controls work too, by mouse and by keyboard, and show what was "
            "computed when it was made."
        )
        parts.append(made.script())
    if made.slide is not None:
        opened += f" For a slide: [the first figure]({made.slide})."
    return "\n\n".join([parts[0], opened, *parts[1:]]) + "\n"


def write_page(path: Path, folder: Path, most: int | None = None) -> Moves:
    """Run a lesson and write its page into `folder`; return what moves on it.

    Parameters
    ----------
    most
        Of each control so many positions only, for a quick look.

    Raises
    ------
    InputError
        For a page of more than `LARGEST` bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cells, names = run(path)
    found = moves(cells, names, shown, most)
    text = page(path, cells, found, folder).encode()
    if len(text) > LARGEST:
        raise InputError(
            path.name,
            f"a page of {len(text):,} bytes",
            f"at most {LARGEST:,}",
            "give its controls fewer steps",
        )
    write_bytes(folder / f"{page_name(path)}.md", text)
    return found
