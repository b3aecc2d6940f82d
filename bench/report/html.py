"""HTML that cannot be broken by what stands in a file: every text is escaped once, here."""

from __future__ import annotations

import functools
import html
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_VOID = ("input", "link", "meta", "br", "hr", "line", "rect", "circle", "path", "polygon")
_SVG_VOID = ("line", "rect", "circle", "path", "polygon")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | Markup | None


# What HTML would take for its own, or nobody can read.
_PLAIN = re.compile(r"[\w .,:;=+*/()%\[\]{}|#@!?$~^-]*", re.ASCII)


def text(value: object) -> Markup:
    """Return `value` escaped; markup stays as it is."""
    kind = type(value)
    if kind is Markup:
        return value  # type: ignore[return-value]
    shown = str(value)
    if kind is float or kind is int:
        return Markup(shown)
    if _PLAIN.fullmatch(shown):  # most of a hundred thousand rows
        return Markup(shown)
    if not shown.isprintable():
        # Control characters are no XML, and do no good in HTML.
        shown = "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in shown)
    return Markup(html.escape(shown, quote=True))


@functools.cache
def _attribute(key: str) -> str:
    key = key.rstrip("_").replace("_", "-")
    # SVG has a few names in camel case.
    return {"viewbox": "viewBox", "preserveaspectratio": "preserveAspectRatio"}.get(key, key)


def tag(name: str, /, *children: Child | Iterable[Child], **attributes: object) -> Markup:
    """Return an element.

    Attribute names lose a trailing ``_`` and have ``_`` for ``-``; None leaves one out, True
    gives it no value.
    """
    opening = name
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        written = _attribute(key)
        opening += f" {written}" if value is True else f' {written}="{text(value)}"'
    if name in _VOID and not children:
        return Markup(f"<{opening}/>" if name in _SVG_VOID else f"<{opening}>")
    inner = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, str):
            inner.append(text(child))
        else:
            inner += [text(each) for each in child if each is not None]
    return Markup(f"<{opening}>{''.join(inner)}</{name}>")


def _figure(value: float) -> str:
    """Return a figure as scripts read it: NaN, which is what is unknown, and Infinity."""
    return repr(value) if math.isfinite(value) else json.dumps(value)


@dataclass(frozen=True, slots=True)
class Cell:
    """A table cell: what is shown, and by what it is sorted.

    A figure stands to the right, unless it is `drawn`; NaN is an unknown one, and sorts last.
    """

    shown: str
    key: float | str | None = None
    class_: str | None = None
    drawn: bool = False

    @property
    def numeric(self) -> bool:
        """Whether it is sorted as a figure."""
        return isinstance(self.key, int | float)

    @property
    def right(self) -> bool:
        """Whether it stands to the right."""
        return self.numeric and not self.drawn

    def markup(self, header: bool) -> Markup:
        """Return the cell's element."""
        # Written out: a report of many runs has millions of them.
        key = self.key
        numeric = isinstance(key, int | float)
        name, scope = ("th", ' scope="row"') if header else ("td", "")
        classes = self.class_ or ""
        if numeric and not self.drawn:
            classes = f"{classes} number" if classes else "number"
        parts = f' class="{text(classes)}"' if classes else ""
        parts += scope + (" data-figure" if numeric else "")
        if key is not None:
            parts += f' data-key="{_figure(key) if isinstance(key, int | float) else text(key)}"'
        return Markup(f"<{name}{parts}>{text(self.shown)}</{name}>")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: whether it is sorted as figures, and whether they stand to the right."""

    title: str
    figures: bool = False
    right: bool = False


def table_of(
    caption: str,
    columns: Sequence[Column],
    body: Sequence[Markup],
    *,
    filter_label: str | None = None,
    choices: Mapping[int, tuple[Iterable[str], str | None]],
    foot: Sequence[Markup] = (),
) -> Markup:
    """Return a table as `sortable_table` does, of rows that are elements already.

    Parameters
    ----------
    choices
        Columns to filter by one of these values, and the value chosen at first, None for all.
    """
    titles = [
        tag(
            "th",
            tag("button", column.title, type="button"),
            scope="col",
            aria_sort="none",
            class_="number" if column.right else None,
            data_figure=column.figures,
        )
        for column in columns
    ]
    table = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", titles)),
        tag("tbody", body),
        tag("tfoot", foot) if foot else None,
        class_="sortable",
    )
    scroller = tag("div", table, class_="scroll", tabindex="0", role="region", aria_label=caption)
    parts: list[Markup] = []
    for k, (values, chosen) in choices.items():
        options = [tag("option", "all", value="")]
        options += [tag("option", value, value=value, selected=value == chosen) for value in values]
        choice = tag("select", options, data_column=k)
        parts.append(tag("label", columns[k].title + " ", choice))
    if filter_label is not None:
        field = tag("input", type="search", class_="filter", autocomplete="off")
        parts.append(tag("label", filter_label + " ", field))
    if not parts:
        return scroller
    count = tag("span", f"{len(body)} rows", class_="count", role="status")
    return tag("div", tag("div", parts, count, class_="controls"), scroller, class_="filtered")


def sortable_table(
    caption: str,
    header: Sequence[str],
    lines: Sequence[Sequence[Cell | str]],
    *,
    filter_label: str | None = None,
    facets: Mapping[int, str | None] | None = None,
    footer: Sequence[Sequence[Cell | str]] = (),
) -> Markup:
    """Return a table that sorts by a click on a column and filters by text and by choice.

    Without a script it is a plain, whole table. The first column names the row.

    Parameters
    ----------
    filter_label
        Label of the field to filter by text; None for no such field.
    facets
        Columns to filter by one of their values, with the value chosen at first, None for all.
    footer
        Rows that stay at the end, whatever the order.
    """
    body, foot = (
        [[cell if isinstance(cell, Cell) else Cell(cell) for cell in line] for line in part]
        for part in (lines, footer)
    )
    columns = []
    for k, title in enumerate(header):
        # A heading stands over its figures.
        figures = bool(body) and all(cells[k].numeric for cells in body)
        right = bool(body) and all(cells[k].right for cells in body)
        columns.append(Column(title, figures, right))
    # What an element says is not what its cell is made of: the text alone is compared.
    choices = {
        k: (dict.fromkeys(str(cells[k].key or cells[k].shown) for cells in body), chosen)
        for k, chosen in (facets or {}).items()
    }
    written = (
        [tag("tr", [cell.markup(k == 0) for k, cell in enumerate(cells)]) for cells in part]
        for part in (body, foot)
    )
    return table_of(
        caption,
        columns,
        next(written),
        filter_label=filter_label,
        choices=choices,
        foot=next(written),
    )


def page(
    title: str,
    body: Iterable[Child],
    *,
    root: str,
    trail: Sequence[tuple[str, str]],
    subtitle: str | None = None,
) -> str:
    """Return a whole page.

    Parameters
    ----------
    subtitle
        A line below the title.
    root
        Relative path to the report's folder, ``.`` or ``..``.
    trail
        Title and link of the pages above this one.
    """
    links = [tag("a", name, href=f"{root}/{link}") for name, link in trail]
    navigation = tag(
        "nav",
        tag("ol", [tag("li", link) for link in links], tag("li", title, aria_current="page")),
        aria_label="Breadcrumb",
    )
    theme = tag("button", "Dark", type="button", id="theme", aria_pressed="false")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        # No request leaves the page: the icon is empty.
        tag("link", rel="icon", href="data:,"),
        tag("link", rel="stylesheet", href=f"{root}/assets/report.css"),
        # At once, so that no page flashes in the other colours.
        tag("script", src=f"{root}/assets/theme.js"),
        tag("script", src=f"{root}/assets/tables.js", defer=True),
        tag("script", src=f"{root}/assets/charts.js", defer=True),
    )
    below = None if subtitle is None else tag("p", subtitle, class_="subtitle")
    content = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag("header", navigation, theme),
        tag("main", tag("h1", title), below, body, id="content"),
        tag(
            "footer",
            tag("p", "Made by splitopt report from the store beside it; no network is needed."),
        ),
    )
    return "<!doctype html>\n" + tag("html", head, content, lang="en") + "\n"
