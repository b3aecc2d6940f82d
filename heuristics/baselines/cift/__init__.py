"""Cift."""
