"""MEPRA as a domain-independent dynamic program; `method` states the mathematics."""
