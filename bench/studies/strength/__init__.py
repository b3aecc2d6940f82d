"""Root bounds, sizes and times of formulations: docs/strength.md."""
