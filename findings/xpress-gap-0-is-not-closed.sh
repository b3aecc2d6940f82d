#!/usr/bin/env bash
# Xpress with both gaps at 0 ends "optimal" with its bound a millionth below its solution.
#
# Expected: with miprelstop and mipabsstop at 0 a search that is not cut off ends when the bound has
#   reached the solution; then both figures are the optimum, to the last places of a double.
# Happens: a knapsack of 30 columns and 6 rows ends OPTIMAL with a bound that is 1e-6 of the
#   objective too low. With mipaddcutoff = 0 too both are the same: by default a better solution must
#   be better by some margin, and what is within it is not searched.
# Versions: xpress 9.9.1 (its community licence, in the wheel); Python 3.11 or newer.
# Why it matters here: gaps are compared at 1e-6 and less. A method that reports the bound of Xpress
#   has a gap where there is none, so mipaddcutoff is set with the gap.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/gap.py" <<'PYTHON'
import random
import sys

import xpress as xp

random.seed(1)
N, ROWS = 30, 6
W = [[random.randint(10, 99) for _ in range(N)] for _ in range(ROWS)]
C = [random.randint(10**5, 10**6) + 0.137 for _ in range(N)]


def gap(controls):
    p = xp.problem()
    p.controls.outputlog = 0
    x = [p.addVariable(vartype=xp.binary) for _ in range(N)]
    for row in W:
        p.addConstraint(xp.Sum(w * v for w, v in zip(row, x)) >= sum(row) // 2)
    p.setObjective(xp.Sum(c * v for c, v in zip(C, x)))
    for name, value in controls.items():
        setattr(p.controls, name, value)
    p.optimize()
    found = 1 - p.attributes.bestbound / p.attributes.objval
    print(f"  {controls}: {p.attributes.solstatus.name}, gap {found:.1e}")
    return p.attributes.solstatus.name, found


zero = {"miprelstop": 0, "mipabsstop": 0}
open_gap, closed = gap(zero), gap({**zero, "mipaddcutoff": 0})
ok = open_gap[0] == closed[0] == "OPTIMAL" and open_gap[1] > 1e-7 and abs(closed[1]) < 1e-12
sys.exit(0 if ok else "this has changed")
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check xpress==9.9.1
"$folder/venv/bin/python" -W ignore "$folder/gap.py"
