"""CIFT by enumeration; `enumeration` states the mathematics."""
