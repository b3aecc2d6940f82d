"""CIFT: instances, plans, the judge of plans, and what speaks against a claim."""
