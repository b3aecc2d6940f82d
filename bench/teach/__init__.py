"""Lessons and their exercises: running the notebooks, pages of them, grading answers."""
