#!/usr/bin/env bash
# CBC takes a line of a free MPS file for one of the fixed form where its blanks happen to lie so.
#
# Expected: in the free form of MPS fields are parted by any number of blanks, so a file means the
#   same however wide they are. Readers that know both forms tell them apart once, for the file.
# Happens: CBC decides by the first line of COLUMNS. With four blanks before the name of a column and
#   two between short fields it reads `    y_0  one  1.0` as fixed, finds no number where the fixed
#   form has it ("Bad image"), and calls the model not valid; with longer names in that line the same
#   blanks are read as free. With single blanks all is read right; HiGHS reads both.
# Versions: CBC 2.10.3 as PuLP 3.3.2 brings it; highspy 1.16.0; Python 3.11 or newer.
# Why it matters here: files are written for every solver there is. Ours put one blank everywhere
#   (formulations/solvers/files.py), and six readers solve each of them in a test.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/blanks.py" <<'PYTHON'
import subprocess

import highspy
import pulp

TEXT = """NAME small
ROWS
 N  cost
 G  one
COLUMNS
    MARKER0  'MARKER'  'INTORG'
    y_0  one  1.0
    y_0  cost  3.0
    y_1  cost  2.0
    y_1  one  1.0
    MARKER1  'MARKER'  'INTEND'
RHS
    RHS  one  1.0
BOUNDS
 UP BND  y_0  1.0
 UP BND  y_1  1.0
ENDATA
"""


def by_cbc(path):
    said = subprocess.run(
        [pulp.PULP_CBC_CMD().path, path, "-solve", "-quit"], capture_output=True, text=True
    ).stdout
    if "Bad image" in said:
        return "bad image"
    return float(next(x for x in said.splitlines() if x.startswith("Objective value")).split(":")[1])


def by_highs(path):
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.readModel(path)
    highs.run()
    return highs.getInfo().objective_function_value


single = "\n".join(" " * line.startswith(" ") + " ".join(line.split()) for line in TEXT.split("\n"))
found = {}
for name, text in (("wide", TEXT), ("single", single)):
    with open(f"{name}.mps", "w") as stream:
        stream.write(text)
    found[name] = (by_cbc(f"{name}.mps"), by_highs(f"{name}.mps"))
    print(name, "blanks: CBC", found[name][0], "HiGHS", found[name][1])
assert found == {"wide": ("bad image", 2.0), "single": (2.0, 2.0)}, "this has changed"
PYTHON
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pulp==3.3.2 highspy==1.16.0
env/bin/python -W ignore blanks.py
