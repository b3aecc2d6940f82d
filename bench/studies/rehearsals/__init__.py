"""Predictions of plans held against rehearsals."""
