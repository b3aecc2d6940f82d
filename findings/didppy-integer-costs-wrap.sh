#!/usr/bin/env bash
# didppy adds integer costs in 32 bits: a sum beyond 2^31 wraps, and the wrapped value is "optimal".
#
# Expected: integers of a Python package hold what Python's hold, or a cost too large is refused; a
#   dynamic program that says is_optimal has the least cost.
# Happens: three steps of cost 2,000,000,000 have cost 1,705,032,704 (6,000,000,000 less 2^32), with
#   is_optimal True and a best_bound that is the same. No warning. With costs as floats it is right.
# Versions: didppy 0.11.1; Python 3.11 or newer.
# Why it matters here: the method `didp` would scale energies to integers, as CP-SAT's does with 64
#   bits, and "prove" optima that are none. It keeps whole numbers in doubles, which are exact up to
#   2^53, and scales to less than that.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/wraps.py" <<'PYTHON'
import sys

import didppy as dp

STEPS, COST = 3, 2_000_000_000


def solve(number, expression, cost):
    model = dp.Model(float_cost=number is float)
    left = model.add_int_var(target=STEPS)
    model.add_base_case([left == 0])
    model.add_transition(
        dp.Transition(name="step", cost=cost + expression.state_cost(), effects=[(left, left - 1)])
    )
    model.add_dual_bound(number(0))
    found = dp.CABS(model, quiet=True).search()
    print(f"  {number.__name__:5}: cost {found.cost}, is_optimal {found.is_optimal}, bound {found.best_bound}")
    return found


whole = solve(int, dp.IntExpr, COST)
real = solve(float, dp.FloatExpr, float(COST))
print(f"  true: {STEPS * COST}")
ok = (
    whole.is_optimal
    and whole.cost == STEPS * COST - 2**32
    and real.is_optimal
    and real.cost == STEPS * COST
)
sys.exit(0 if ok else "this has changed")
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check didppy==0.11.1
"$folder/venv/bin/python" "$folder/wraps.py"
