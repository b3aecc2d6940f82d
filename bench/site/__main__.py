"""Write the pages the program makes of itself: ``python -m splitopt.bench.site [--out FOLDER]``."""

from __future__ import annotations

import argparse
from pathlib import Path

from splitopt.bench.site.commands_page import commands_page
from splitopt.bench.site.formats_page import formats_page
from splitopt.instances.core.documents import write_bytes

OUT = Path(__file__).resolve().parents[2] / "docs" / "generated"


def main(arguments: list[str] | None = None) -> None:
    """Write both pages."""
    parser = argparse.ArgumentParser(prog="python -m splitopt.bench.site", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    out = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / "cli.md", commands_page().encode())
    write_bytes(out / "formats.md", formats_page().encode())


if __name__ == "__main__":
    main()
