"""Baselines for CIFT."""
