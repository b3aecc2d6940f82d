"""Placement now, speeds once the scenario is seen (docs/uncertainty.md)."""
