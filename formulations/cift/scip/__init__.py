"""CIFT as a nonlinear program for SCIP; `method` states the mathematics."""
