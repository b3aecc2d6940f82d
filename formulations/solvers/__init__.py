"""What the formulations share of HiGHS and of Pyomo."""

__all__ = ["OBJECTIVE_SCALE"]

# To what size models bring their optimum: solvers' absolute tolerances are far below it.
OBJECTIVE_SCALE = 1e3
