#!/usr/bin/env bash
# To import dask_jobqueue makes Ctrl-C end a program at once, silently, with exit code 0.
#
# Expected: an import leaves the handlers of signals alone. On Ctrl-C a program gets a
#   KeyboardInterrupt, which it can catch, and without that ends with code 130 or by the signal.
# Happens: `import dask_jobqueue` sets handlers for SIGINT and SIGTERM that call sys.exit(). Code that
#   waits for KeyboardInterrupt does not see it; whoever started the program takes 0 for success.
# Versions: dask-jobqueue 0.9.0 with distributed 2026.8.0; Python 3.11 or newer.
# Why it matters here: `splitopt run --cluster slurm:4` ended with exit code 0 and without a word when
#   it was interrupted, its runs half done. The handlers are restored after the import now.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/interrupt.py" <<'PYTHON'
import signal
import sys
import time

signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.argv[1] == "with":
    import dask_jobqueue  # noqa: F401
try:
    signal.raise_signal(signal.SIGINT)
    time.sleep(5)
except KeyboardInterrupt:
    sys.exit(130)
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  dask-jobqueue==0.9.0 distributed==2026.8.0
codes=
for how in without with; do
  code=0
  "$folder/venv/bin/python" "$folder/interrupt.py" "$how" || code=$?
  echo "  Ctrl-C $how dask_jobqueue imported: exit code $code"
  codes="$codes $code"
done
[ "$codes" = " 130 0" ] || { echo "this has changed"; exit 1; }
