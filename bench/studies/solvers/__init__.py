"""Every solver that is there, in every version, by file: docs/howto/use-another-solver.md."""
