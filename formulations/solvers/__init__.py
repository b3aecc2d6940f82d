"""What the formulations share of HiGHS and of Pyomo."""

# To what size models bring their optimum: solvers' absolute tolerances are far below it.
OBJECTIVE_SCALE = 1e3
