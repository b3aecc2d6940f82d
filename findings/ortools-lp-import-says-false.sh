#!/usr/bin/env bash
# OR-tools' ModelBuilder reads another dialect of LP, says so by False alone, and then "solves" to 0.
#
# Expected: "LP file" means the format of CPLEX, which HiGHS, SCIP, CBC, GLPK, Gurobi, Xpress and
#   COPT read. A reader that does not know it raises, as its siblings for other formats do.
# Happens: `import_from_lp_file` takes the dialect of lp_solve. Of an ordinary LP file it returns
#   False and leaves the model empty; who does not look at the value goes on to a solve that ends
#   OPTIMAL with an objective of 0. The MPS file of the same model is read and solved right.
# Versions: ortools 9.15.6755; Python 3.11 or newer.
# Why it matters here: `splitopt export` writes LP files, and says of each who reads it right: of
#   OR-tools the MPS files alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/dialect.py" <<'PYTHON'
from ortools.linear_solver.python import model_builder

LP = "Minimize\n cost: 3 x + 2 y\nSubject To\n one: x + y >= 1\nGenerals\n x\n y\nEnd\n"
MPS = (
    "NAME small\nROWS\n N cost\n G one\nCOLUMNS\n M1 'MARKER' 'INTORG'\n x cost 3\n x one 1\n"
    " y cost 2\n y one 1\n M2 'MARKER' 'INTEND'\nRHS\n RHS one 1\nBOUNDS\n UP B x 9\n UP B y 9\n"
    "ENDATA\n"
)
found = {}
for kind, text in (("lp", LP), ("mps", MPS)):
    path = f"small.{kind}"
    with open(path, "w") as stream:
        stream.write(text)
    model = model_builder.Model()
    read = getattr(model, f"import_from_{kind}_file")(path)
    solver = model_builder.Solver("scip")
    status = solver.solve(model)
    found[kind] = (bool(read), status.name, solver.objective_value)
    print(kind, "returned", *found[kind])
assert found == {"lp": (False, "OPTIMAL", 0.0), "mps": (True, "OPTIMAL", 2.0)}, "this has changed"
PYTHON
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check ortools==9.15.6755
env/bin/python dialect.py 2>"$folder/log"
