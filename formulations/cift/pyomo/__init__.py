"""CIFT in Pyomo, as textbooks have it; `models` lists the formulations."""
