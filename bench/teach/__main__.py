"""Run every lesson, hold its assertions, and write its static page.

``python -m splitopt.bench.teach [--out FOLDER] [LESSON ...]``
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from splitopt.bench.teach.notebooks import lessons, title_of
from splitopt.bench.teach.pages import write_page
from splitopt.instances.core.errors import InputError

OUT = Path(__file__).resolve().parents[2] / "docs" / "generated" / "lessons"


def main(arguments: list[str] | None = None) -> int:
    """Write the pages; return 1 when an assertion of a lesson fails."""
    parser = argparse.ArgumentParser(prog="python -m splitopt.bench.teach", description=__doc__)
    parser.add_argument("lessons", nargs="*", type=Path, help="notebooks; all without one")
    parser.add_argument(
        "--positions", type=int, metavar="N", help="of each control N positions only: a quick look"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the pages")
    options = parser.parse_args(arguments)
    failed = 0
    try:
        for path in options.lessons or lessons():
            began = time.process_time()
            try:
                found = write_page(path, options.out, options.positions)
            except InputError:
                raise
            except Exception as error:  # a lesson may fail in any way; the others go on
                failed += 1
                sys.stderr.write(f"{path.name}: {type(error).__name__}: {error}\n")
                continue
            seconds = time.process_time() - began
            moved = "".join(
                f"; {name} moves in {1e3 * spent:.0f} ms" for name, spent in found.move_s.items()
            )
            sys.stderr.write(f"{title_of(path)}: holds ({seconds:.1f} s){moved}\n")
    except InputError as error:
        sys.stderr.write(f"splitopt: error: {error}\n")
        return 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
