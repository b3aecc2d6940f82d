"""Data of the suite: profiles, curves, instances, plans, and the judge that evaluates them."""
