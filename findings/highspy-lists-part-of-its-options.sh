#!/usr/bin/env bash
# highspy's options object knows three quarters of HiGHS's options; the others are set by name alone.
#
# Expected: what `Highs.getOptions()` returns has every option of the solver in the wheel, so that a
#   tool can look there for which names exist and of which kind they are.
# Happens: 29 of the 102 options that HiGHS itself writes down are no attributes of it, among them
#   mip_allow_restart, mip_lp_solver and mip_allow_cut_separation_at_nodes: setting one on the object
#   is an AttributeError, setting it by `setOptionValue` works.
# Versions: highspy 1.16.0; Python 3.11 or newer.
# Why it matters here: `-o solver.NAME=VALUE` looked names up there and refused, as unknown, parameters
#   that the solver has; four of the 29 write files, so a list of what is forbidden missed them, too.
#   formulations/solvers/drivers/highs.py asks the solver for each name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/options.py" <<'PYTHON'
import os
import sys

import highspy

highs = highspy.Highs()
highs.setOptionValue("output_flag", False)
path = os.path.join(sys.argv[1], "options.txt")
highs.writeOptions(path)
with open(path) as file:
    written = [line.split("=")[0].strip() for line in file if "=" in line and line[0] != "#"]
options = highs.getOptions()
missing = [name for name in written if not hasattr(options, name)]
print(f"{len(written)} options, {len(missing)} of them no attributes:", ", ".join(missing))

try:
    options.mip_allow_restart = False
    refused = False
except AttributeError as error:
    refused = True
    print("set on the object:", error)
by_name = highs.setOptionValue("mip_allow_restart", False)
_, value = highs.getOptionValue("mip_allow_restart")
print("set by name:", by_name, value)

same = len(written) == 102 and len(missing) == 29 and refused and value is False
sys.exit(0 if same else 1)
PYTHON
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check highspy==1.16.0
"$folder/env/bin/python" "$folder/options.py" "$folder"
