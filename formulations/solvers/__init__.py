"""What the formulations share of HiGHS and of Pyomo."""
