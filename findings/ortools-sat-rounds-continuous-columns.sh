#!/usr/bin/env bash
# OR-tools' "sat" makes continuous columns of a model whole numbers, and calls the result OPTIMAL.
#
# Expected: ModelBuilder's solvers solve the same mixed-integer program. One that cannot hold
#   continuous columns refuses them, or rounds finely enough that "OPTIMAL" means what it says.
# Happens: with three 0-1 columns and two continuous ones, SCIP and HiGHS say OPTIMAL 0.1495; "sat"
#   says OPTIMAL 4.0. By default (mip_var_scaling 1) a continuous column takes whole values only.
#   With mip_var_scaling 1000000 it is right.
# Versions: ortools 9.15.6755; Python 3.11 or newer.
# Why it matters here: a model of ours that is exported and solved by "sat" is INFEASIBLE or
#   "OPTIMAL" a third too dear. Its answers are judged, and its "infeasible" believed only for models
#   that are whole numbers throughout.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/continuous.py" <<'PYTHON'
import sys

from ortools.linear_solver.python import model_builder as mb


def solve(name, parameters=""):
    m = mb.Model()
    x = [m.new_bool_var(f"x{i}") for i in range(3)]
    r, v = m.new_num_var(0, 100, "r"), m.new_num_var(0, 100, "v")
    m.add(r == 2**0.5 * x[0] + 3**0.5 * x[1] + 5**0.5 * x[2])
    m.add(v >= r - 3.5)
    m.add(v >= 3.5 - r)
    m.minimize(v)
    solver = mb.Solver(name)
    if parameters:
        solver.set_solver_specific_parameters(parameters)
    status = solver.solve(m).name
    print(f"  {name:5} {parameters:25} {status} {solver.objective_value:.4f}")
    return status, round(solver.objective_value, 4)


# The nearest sum of a subset to 3.5.
TRUE = min(
    abs(3.5 - a * 2**0.5 - b * 3**0.5 - c * 5**0.5) for a in (0, 1) for b in (0, 1) for c in (0, 1)
)
print(f"  true: {TRUE:.4f}")
right = ("OPTIMAL", round(TRUE, 4))
ok = (
    solve("scip") == solve("highs") == right
    and solve("sat") == ("OPTIMAL", 4.0)
    and solve("sat", "mip_var_scaling: 1000000") == right
)
sys.exit(0 if ok else "this has changed")
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ortools==9.15.6755
"$folder/venv/bin/python" "$folder/continuous.py"
