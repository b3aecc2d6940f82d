#!/usr/bin/env bash
# A walltime of 12 hours, unquoted in YAML, becomes a job of 30 days.
#
# Expected: `walltime: 12:00:00` in a file of options asks a job queue for twelve hours.
# Happens: YAML 1.1, which PyYAML reads, has numbers to the base of 60: 12:00:00 is the integer
#   43200. dask-jobqueue writes it into the job script as it is, `#SBATCH -t 43200`, and Slurm takes
#   a bare number as minutes: 30 days. No part of the chain is wrong, nobody says a word, and a
#   queue that allows 30 days gives them. `0123` as an account becomes 83, `no` as a queue False.
# Versions: PyYAML 6.0.3, dask-jobqueue 0.9.0; Python 3.11 or newer.
# Why it matters here: `splitopt run --cluster-options FILE` takes such files. They are read with
#   every scalar as the text that is written, and numbers only where an option is one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/walltime.py" <<'PYTHON'
import yaml
from dask_jobqueue.slurm import SLURMJob

found = {}
for text in ("walltime: 12:00:00", 'walltime: "12:00:00"'):
    options = yaml.safe_load(text)
    job = SLURMJob("tcp://127.0.0.1:1", name="w", cores=1, memory="1GiB", **options)
    (line,) = [x for x in job.job_script().splitlines() if x.startswith("#SBATCH -t")]
    found[text] = line
    print(f"{text!r:28} -> {options['walltime']!r:12} -> {line}")
assert list(found.values()) == ["#SBATCH -t 43200", "#SBATCH -t 12:00:00"], "this has changed"
assert yaml.safe_load("[0123, no]") == [83, False]
PYTHON
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check pyyaml==6.0.3 dask-jobqueue==0.9.0
env/bin/python walltime.py
