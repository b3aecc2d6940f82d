"""LaTeX that cannot be broken by what stands in a store: every text is escaped once, here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from splitopt.instances.core.printable import printable

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    # Two of them in a row would become one other sign.
    "-": "-{}",
    ",": ",{}",
}
_IN_A_ROW = ("-", ",")


def western(text: object) -> str:
    """Return a text in one line of letters that every font and encoding for print has.

    Others are written as Python writes them.
    """
    return "".join(
        letter if letter <= "\x7e" or "\xa1" <= letter <= "\xff" else ascii(letter)[1:-1]
        for letter in printable(str(text))
    )


def escape(text: object) -> str:
    """Return a text for LaTeX that shows what stands in it and does nothing else."""
    shown = western(text)
    parts = []
    for k, letter in enumerate(shown):
        if letter in _IN_A_ROW and shown[k + 1 : k + 2] != letter:
            parts.append(letter)
        else:
            parts.append(_SPECIAL.get(letter, letter))
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Group:
    """Lines of a table below a heading of their own."""

    heading: str
    lines: Sequence[Sequence[str]]


def _line(cells: Sequence[str]) -> str:
    return " & ".join(map(escape, cells)) + r" \\"


def _columns(header: Sequence[str]) -> str:
    return "@{}l" + "r" * (len(header) - 1) + "@{}"


def _head(header: Sequence[str]) -> list[str]:
    return [r"\toprule", _line(header), r"\midrule"]


def _caption(caption: str, label: str) -> str:
    return rf"\caption{{{caption}}}\label{{{label}}}"


def table(
    caption: str,
    label: str,
    header: Sequence[str],
    lines: Sequence[Sequence[str]],
    footer: Sequence[Sequence[str]] = (),
) -> str:
    """Return a table that floats; its first column to the left, the others to the right.

    Parameters
    ----------
    caption
        LaTeX already.
    footer
        Lines set apart below the others.
    """
    return "\n".join(
        [
            r"\begin{table}[htbp]",
            r"\centering\small",
            _caption(caption, label),
            r"\medskip",
            "",
            rf"\begin{{tabular}}{{{_columns(header)}}}",
            *_head(header),
            *map(_line, lines),
            *([r"\midrule", *map(_line, footer)] if footer else []),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def long_table(caption: str, label: str, header: Sequence[str], groups: Sequence[Group]) -> str:
    """Return a table that may run over pages, its lines in groups; `caption` is LaTeX already."""
    body = []
    for k, group in enumerate(groups):
        heading = rf"\multicolumn{{{len(header)}}}{{@{{}}l}}{{\textit{{{escape(group.heading)}}}}}"
        # A heading stays with its first line.
        body += [*([r"\addlinespace"] if k else []), heading + r" \\*", *map(_line, group.lines)]
    head = _head(header)
    return "\n".join(
        [
            r"{\small",
            rf"\begin{{longtable}}{{{_columns(header)}}}",
            _caption(caption, label) + r" \\",
            *head,
            r"\endfirsthead",
            *head,
            r"\endhead",
            r"\bottomrule",
            r"\endfoot",
            *body,
            r"\end{longtable}",
            "}",
            "",
        ]
    )


def figure(file: str, caption: str, label: str) -> str:
    """Return a figure that floats; `caption` is LaTeX already."""
    return "\n".join(
        [
            r"\begin{figure}[htbp]",
            r"\centering",
            rf"\includegraphics[width=\linewidth]{{{file}}}",
            _caption(caption, label),
            r"\end{figure}",
            "",
        ]
    )
