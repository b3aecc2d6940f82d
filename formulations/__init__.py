"""Exact models: every formulation states the mathematics, then hands it to one solver."""
