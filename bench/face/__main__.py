"""``python -m splitopt`` is the command ``splitopt``."""

from splitopt.bench.cli import main

main()
