"""CIFT by Pareto fronts of energy and times; `method` states the mathematics."""
