"""What a lesson shows at each position of its controls, worked out beforehand for its page.

A cell reads names and hands names on, as marimo writes it: so what depends on which control is
known, and only that is run again, once for each combination of the controls it depends on.
"""

from __future__ import annotations

import ast
import html
import itertools
import json
import math
import re
import statistics
import time
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from splitopt.bench.teach.notebooks import Cell
from splitopt.instances.core.errors import InputError

# Of one output; more would make the page large and its making slow.
MOST = 400
Place = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Control:
    """A control of a lesson.

    Attributes
    ----------
    name
        The variable that holds it.
    kind
        ``range``: a slider. ``choice``: a list. ``box``: a box to tick.
    label
        What it sets, with the unit.
    values, said
        What each position stands for, as a value and in words.
    start
        The position in which the lesson opens.
    """

    name: str
    kind: Literal["range", "choice", "box"]
    label: str
    values: tuple[Any, ...]
    said: tuple[str, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Moved:
    """An output that moves.

    Attributes
    ----------
    by
        The controls it depends on, by their places among all.
    outputs
        What it shows, by the positions of those controls.
    """

    by: tuple[int, ...]
    outputs: Mapping[Place, Any]


@dataclass(frozen=True, slots=True)
class Moves:
    """All that moves on a page.

    Attributes
    ----------
    controls
        In the order of the lesson.
    moved
        Outputs by the number of their cell.
    move_s
        Processor time of a move of each control, by its variable: the median over the positions
        of each cell that depends on it, added up.
    """

    controls: tuple[Control, ...]
    moved: Mapping[int, Moved]
    move_s: Mapping[str, float]


def _control(name: str, element: Any) -> Control | None:
    """Return the control that a marimo element is, None where it is none."""
    kind = type(element).__name__
    if kind not in ("slider", "dropdown", "checkbox", "switch"):
        return None
    found = re.search(r"data-label='([^']*)'", element.text)
    label = re.sub(r"<[^>]*>", "", json.loads(html.unescape(found[1]))) if found else name
    if kind == "slider":
        values = tuple(element.steps or _steps(element.start, element.stop, element.step))
        said = tuple(f"{value:g}" for value in values)
        start = min(range(len(values)), key=lambda k: abs(values[k] - element.value))
        return Control(name, "range", label.strip(), values, said, start)
    if kind == "dropdown":
        said = tuple(map(str, element.options))
        values = tuple(element.options.values())
        return Control(name, "choice", label.strip(), values, said, values.index(element.value))
    said = ("no", "yes")
    return Control(name, "box", label.strip(), (False, True), said, int(element.value))


def _steps(start: float, stop: float, step: float | None) -> Iterator[float]:
    by = 1 if step is None else step
    return (start + k * by for k in range(math.floor((stop - start) / by + 1e-9) + 1))


@dataclass
class _Again:
    """The cells of a lesson that depend on controls, run again."""

    cells: Sequence[Cell]
    names: Mapping[str, Any]
    show: Callable[[Any], Any]
    controls: list[Control] = field(default_factory=list)
    # By name and by cell: the controls that it depends on.
    behind: dict[str, tuple[int, ...]] = field(default_factory=dict)
    by: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def find(self) -> None:
        """Find the controls and what depends on them.

        Raises
        ------
        InputError
            When a control depends on another, or an output on too many positions.
        """
        for number, cell in enumerate(self.cells):
            places = {place for name in cell.reads for place in self.behind.get(name, ())}
            by = tuple(sorted(places))
            if by:
                self.by[number] = by
            for name in cell.defines:
                control = _control(name, self.names.get(name))
                if control is None:
                    if by:
                        self.behind[name] = by
                    continue
                if by:
                    raise InputError(
                        f"control {name}",
                        "its range depends on another control",
                        "a range of its own",
                        "let it count in multiples, such as of the least",
                    )
                self.behind[name] = (len(self.controls),)
                self.controls.append(control)
        for number, by in self.by.items():
            count = math.prod(len(self.controls[k].values) for k in by)
            if count > MOST:
                raise InputError(
                    f"cell {number + 1}",
                    f"{count} positions of {len(by)} controls",
                    f"at most {MOST}",
                    "give the controls fewer steps",
                )

    def run(self) -> tuple[dict[int, Moved], dict[str, float]]:
        """Run what depends on controls at all their positions."""
        handed: dict[str, tuple[tuple[int, ...], dict[Place, Any]]] = {
            control.name: (
                (k,),
                {(p,): types.SimpleNamespace(value=v) for p, v in enumerate(control.values)},
            )
            for k, control in enumerate(self.controls)
        }
        moved: dict[int, Moved] = {}
        spent = {control.name: 0.0 for control in self.controls}
        for number, by in self.by.items():
            cell = self.cells[number]
            called = _as_function(cell)
            outputs: dict[Place, Any] = {}
            names: dict[str, dict[Place, Any]] = {name: {} for name in cell.defines}
            times = []
            for place in itertools.product(*(range(len(self.controls[k].values)) for k in by)):
                at = dict(zip(by, place, strict=True))
                given = {}
                for name in cell.reads:
                    if name in handed:
                        behind, values = handed[name]
                        given[name] = values[tuple(at[k] for k in behind)]
                    else:
                        given[name] = self.names[name]
                began = time.process_time()
                output, defined = called(**given)
                outputs[place] = None if output is None else self.show(output)
                times.append(time.process_time() - began)
                for name in cell.defines:
                    names[name][place] = defined[name]
            for name, found in names.items():
                handed[name] = (by, found)
            for k in by:
                spent[self.controls[k].name] += statistics.median(times)
            if any(output is not None for output in outputs.values()):
                moved[number] = Moved(by, outputs)
        return moved, spent


def _as_function(cell: Cell) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """Return a cell as a function of the names it reads; it returns its output and its names."""
    handed = ", ".join(f"{name!r}: {name}" for name in cell.defines)
    head = ast.parse(f"def cell({', '.join(cell.reads)}):\n    return None, {{{handed}}}")
    function = head.body[0]
    assert isinstance(function, ast.FunctionDef)
    (ending,) = function.body
    assert isinstance(ending, ast.Return)
    assert isinstance(ending.value, ast.Tuple)
    body = ast.parse(cell.code).body
    if body and isinstance(last := body[-1], ast.Expr):
        ending.value.elts[0] = last.value
        body.pop()
    function.body = [*body, ending]
    space: dict[str, Any] = {"__name__": "cell"}
    exec(compile(head, "lesson", "exec"), space)
    called: Callable[..., tuple[Any, dict[str, Any]]] = space["cell"]
    return called


def moves(
    cells: Sequence[Cell],
    names: Mapping[str, Any],
    show: Callable[[Any], Any],
    most: int | None = None,
) -> Moves:
    """Run what depends on the controls of a lesson at each of their positions.

    Parameters
    ----------
    cells, names
        The lesson as it was run once.
    show
        Makes of an output what the page keeps of it.
    most
        Of each control so many positions only, its start among them.

    Raises
    ------
    InputError
        For a control that depends on another, or more than `MOST` positions of an output.
    """
    again = _Again(cells, names, show)
    again.find()
    if most is not None:
        again.controls = [_fewer(control, most) for control in again.controls]
    moved, spent = again.run()
    return Moves(tuple(again.controls), moved, spent)


def _fewer(control: Control, most: int) -> Control:
    """Return a control with at most `most` of its positions: its start, its ends, some between."""
    last = len(control.values) - 1
    between = (round(k * last / most) for k in range(1, most))
    kept = sorted(list(dict.fromkeys((control.start, last, 0, *between)))[:most])
    return replace(
        control,
        values=tuple(control.values[k] for k in kept),
        said=tuple(control.said[k] for k in kept),
        start=kept.index(control.start),
    )
