"""Cift policies."""
