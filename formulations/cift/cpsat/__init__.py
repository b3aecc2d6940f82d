"""CIFT in integers for CP-SAT; `method` states the mathematics."""
