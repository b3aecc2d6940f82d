"""MEPRA: instances, plans, and the judge of plans."""
