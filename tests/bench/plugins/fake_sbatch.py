"""Stand in for Slurm's sbatch and scancel: jobs are processes of this machine.

Called as ``sbatch SCRIPT`` it starts the script and names the job as Slurm does; as ``scancel ID``
it ends one. Every call is written down in the folder of the command.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

folder = Path(sys.argv[0]).parent
kind, *arguments = Path(sys.argv[0]).name, *sys.argv[1:]
with (folder / "calls").open("a") as stream:
    print(kind, *arguments, file=stream)
if kind == "sbatch":
    script = Path(arguments[0]).read_text()
    (folder / "script").write_text(script)
    job = subprocess.Popen(
        ["bash", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=(folder / "log").open("ab"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    (folder / "jobs").write_text(str(job.pid))
    print(f"Submitted batch job {job.pid}")
else:
    for number in arguments:
        try:
            os.killpg(int(number), signal.SIGTERM)
        except ProcessLookupError:
            continue
