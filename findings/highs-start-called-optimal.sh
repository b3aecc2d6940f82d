#!/usr/bin/env bash
# HiGHS 1.16.0 can return the start it was given as "Optimal", at the value of a relaxation.
#
# Expected: after setSolution with a feasible point and run(), status Optimal comes with a solution
#   whose cost is the objective reported, and no feasible point costs less than that objective plus
#   the gap. A start may speed up a solve and must not change its answer.
# Happens: on a MILP with five 0-1 columns and four continuous ones (an option for each of three
#   devices, and two cones cut by planes) highspy 1.16.0 answers Optimal, objective 149.043, lower
#   bound 149.043, and hands back the start itself, which costs 1000. The true optimum is 158.840:
#   found by the same version without a start, with presolve off, and by highspy 1.14.0 in any case.
# Versions: highspy 1.16.0 (wrong), highspy 1.14.0 (right); Python 3.11 or newer.
# Why it matters here: outer approximation gives each MILP the best plan known as its start. The
#   bound is still one, but a loop that trusts "Optimal" ends with a plan six times too dear. The
#   suite adds up every solution of HiGHS and solves again without the start where it does not cost
#   what HiGHS says (formulations, `_adds_up`).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/start.py" <<'PYTHON'
import sys

import highspy
import numpy as np

A, B, E = 49.490288839347478, 98.980577678694956, 9.7971547576081655
COST = [315.78947368421052, 24.102823951281358, 631.57894736842104, 72.308471853844082,
        52.631578947368425, 0.0, 0.0, 1.0, 1.0]
ROWS = [
    ({0: 1, 1: 1}, 1, 1), ({2: 1, 3: 1}, 1, 1), ({4: 1}, 1, 1), ({5: 1, 6: 1}, 0, 1),
    *(({x: -r, s: v, t: 1}, 0, highspy.kHighsInf)
      for r, v in ((A, 250.00000000000006), (B, 1000.0000000000002), (E, E), (E, E))
      for x, s, t in ((1, 5, 7), (3, 6, 8))),
]
START = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]


def solve(start, presolve):
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    for k, cost in enumerate(COST):
        highs.addCol(cost, 0.0, 1.0 if k < 7 else highspy.kHighsInf, 0, [], [])
        if k < 5:
            highs.changeColIntegrality(k, highspy.HighsVarType.kInteger)
    for terms, low, high in ROWS:
        highs.addRow(low, high, len(terms), list(terms), [float(v) for v in terms.values()])
    highs.setOptionValue("presolve", presolve)
    if start:
        solution = highspy.HighsSolution()
        solution.col_value = START
        highs.setSolution(solution)
    highs.run()
    status = highs.modelStatusToString(highs.getModelStatus())
    value = highs.getInfo().objective_function_value
    cost = float(np.array(COST) @ np.array(highs.getSolution().col_value))
    words = f"start {'yes' if start else 'no '}, presolve {presolve:6}"
    print(f"  {words}: {status}, objective {value:.3f}, its solution costs {cost:.3f}")
    return round(value, 3), round(cost, 3)


found = [solve(True, "choose"), solve(False, "choose"), solve(True, "off")]
right = (158.84, 158.84)
expected = [(149.043, 1000.0), right, right] if sys.argv[1] == "1.16.0" else [right] * 3
sys.exit(found != expected)
PYTHON
for version in 1.16.0 1.14.0; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install --quiet --disable-pip-version-check \
    "highspy==$version" "numpy==2.4.6" 2>"$folder/pip.log" || { cat "$folder/pip.log"; exit 1; }
  echo "highspy $version"
  "$folder/$version/bin/python" "$folder/start.py" "$version" | grep -v '^Running\|^Copyright\|^Includes' \
    || { echo "this has changed"; exit 1; }
done
echo "as described"
