"""Baselines for MEPRA."""
