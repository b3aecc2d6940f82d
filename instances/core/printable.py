"""Text that does to a terminal nothing but be shown."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return `text` as one line, with what cannot be printed as Python writes it.

    Exceptions, names and reasons come from methods and files of others. An escape sequence in one
    would clear the screen, hide text or set a title; a line break would forge a line of ours; a
    mark of direction would turn what follows. All are shown as ``\x1b``, ``\n``, ``\u202e``.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
