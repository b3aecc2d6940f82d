"""``python -m splitopt.bench.studies faults``: try every attack and write the table of them."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path

from splitopt.bench.studies.faults.attack import Attack, NotTriedError

# Modules of this package, each with a function `attacks` that gives its own.
KINDS: tuple[str, ...] = ("machine", "queue", "store")
# Of those that are tried when asked for by name alone.
LONG: tuple[str, ...] = ("hour",)


def attacks(kinds: Iterable[str] = KINDS) -> Iterator[Attack]:
    """Yield the attacks of some kinds."""
    for kind in kinds:
        yield from import_module(f"splitopt.bench.studies.faults.{kind}").attacks()


def tried(attack: Attack) -> tuple[str, str]:
    """Return whether an attack was survived, and what was seen."""
    with tempfile.TemporaryDirectory(prefix="splitopt-fault-") as folder:
        try:
            return "held", attack.attempt(Path(folder))
        except NotTriedError as error:
            return "not tried", str(error)
        except AssertionError as error:
            return "BROKEN", (str(error).splitlines() or ["no word"])[0]


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return the rows of kind, what goes wrong, what must hold, outcome, what was seen as text."""
    head = ("kind", "what goes wrong", "what must hold", "outcome", "seen")
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "/") for cell in row) + " |"
        for row in (head, ("---",) * len(head), *rows)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Try them and print the table; 1 where one is broken."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument(
        "kinds",
        nargs="*",
        choices=[[], *KINDS, *LONG],
        help=f"only these (default: all but {LONG[0]})",
    )
    asked = parser.parse_args(arguments)
    rows = []
    for attack in attacks(asked.kinds or KINDS):
        began = time.monotonic()
        outcome, seen = tried(attack)
        rows.append((attack.kind, attack.name, attack.holds, outcome, seen))
        # What was seen too, at once: a later attack may end the whole.
        sys.stderr.write(f"{outcome}: {attack.name} ({time.monotonic() - began:.0f} s): {seen}\n")
    sys.stdout.write(table(rows) + "\n")
    return int(any(row[3] == "BROKEN" for row in rows))
