#!/usr/bin/env bash
# In highspy every attribute of a model that is read is a fresh copy, and writing into it is lost.
#
# Expected: `lp = highs.getLp()` hands out an object whose arrays, such as `lp.integrality_` or
#   `lp.col_upper_`, are what Python's attributes are: read once more they cost nothing, and
#   `lp.col_upper_[0] = 0` changes the bound of `lp`.
# Happens: each reading of an attribute converts the whole array into a new Python object. A loop
#   over the columns of `lp.integrality_[k]` is quadratic (4,000 columns: thousands of times the
#   work of one reading), and an element that is set is set in a copy: `lp.col_upper_` is what it
#   was, without a word, and so is the optimum of a model that is passed with it.
# Versions: highspy 1.16.0; Python 3.11 or newer.
# Why it matters here: grading a model of 2,527 columns spent 2.4 s in each relaxation on reading
#   the kinds of its columns one by one, and 0.015 s since they are read once
#   (bench/teach/grading.py). Models are therefore built from arrays that are passed whole.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/copies.py" <<'PYTHON'
import sys
import time

import highspy

N = 4000
highs = highspy.Highs()
highs.setOptionValue("output_flag", False)
highs.addVars(N, [0.0] * N, [1.0] * N)
for k in range(N):
    highs.changeColCost(k, -1.0)
    highs.changeColIntegrality(k, highspy.HighsVarType.kInteger)
lp = highs.getLp()

same = lp.integrality_ is lp.integrality_
began = time.process_time()
once = list(lp.integrality_)
one = time.process_time() - began
began = time.process_time()
every = [lp.integrality_[k] for k in range(N)]
loop = time.process_time() - began
print(f"  two readings give one object: {same}")
print(f"  {N} kinds, read once: {one:.5f} s; read one by one: {loop:.3f} s")

lp.col_upper_[0] = 0.0
kept = lp.col_upper_[0] == 0.0
print(f"  an element that was set to 0 is {lp.col_upper_[0]}")
highs.passModel(lp)
highs.run()
value = highs.getInfo().objective_function_value
print(f"  optimum of the model passed after it: {value} (with the bound at 0: {-(N - 1)})")

ok = once == every and not same and loop > 50 * one and not kept and value == -N
sys.exit(0 if ok else "this has changed")
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check highspy==1.16.0 numpy==2.4.6
"$folder/venv/bin/python" "$folder/copies.py" | grep -v "^Running\|^Copyright\|^Includes"
