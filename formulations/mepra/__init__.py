"""Exact methods for MEPRA: a module each, and what several of them share."""
