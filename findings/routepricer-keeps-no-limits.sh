#!/usr/bin/env bash
# PathWyse by its Python package: a resource-constrained shortest path that does not keep the limit.
#
# Expected: of two paths from 0 to 3, of cost 2 and use 10 and of cost 5 and use 2, the second where
#   5 may be used.
# Happens: the first, with status "Optimization complete". The bounds and uses that were set read
#   back as they were set; bounds at each node change nothing, nor does the order of the calls.
# Versions: routepricer 1.0.0 (PathWyse 1.0); Python 3.11.
# Why it matters here: it was to stand beside the label kernel on road networks (docs/jqodi.md). A
#   solver of an easier problem is no rival, however fast.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/limit.py" <<'PYTHON'
import routepricer

ARCS = [(0, 1, 1, 5), (1, 3, 1, 5), (0, 2, 2, 1), (2, 3, 3, 1)]  # tail, head, cost, use
solver = routepricer.PWSolver()
solver.createProblem()
solver.setNumNodes(4)
solver.setOrigin(0)
solver.setDestination(3)
solver.setDirected(True)
solver.setCyclic(True)
solver.initProblem()
solver.addResource("CAP")
solver.setResBounds(0, 0, 5)
for tail, head, cost, use in ARCS:
    solver.addArc(tail, head)
    solver.setArcCost(tail, head, float(cost))
    solver.setResArcConsumption(0, tail, head, use)
for node in range(4):
    solver.setResNodeBound(0, node, 0, 5)
solver.buildProblem()
solver.setupAlgorithms()
solver.solve()
assert (solver.getResLB(0), solver.getResUB(0), solver.getResArcConsumption(0, 0, 1)) == (0, 5, 5)
tour, cost = solver.getSolutionTour(0), solver.getSolutionObjective(0)
print(f"limit 5: path {tour} of cost {cost:g} and use 10")
assert (list(tour), cost) == ([0, 1, 3], 2.0), "this has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check routepricer==1.0.0
"$folder/venv/bin/python" "$folder/limit.py"
