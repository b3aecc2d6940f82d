"""Call `run_set` in a process that a test can kill: a line of JSON for each event, and the end."""

import json
import resource
import sys
from pathlib import Path

from splitopt.bench.runs.cluster.spec import read_cluster
from splitopt.bench.store.store import StoreError

sys.path.append(str(Path(__file__).parents[1] / "helpers"))
from running import run_set


def main():
    settings = json.loads(sys.argv[1])
    limit = settings.pop("file_size_limit_bytes", None)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    def tell(**document):
        print(json.dumps(document), flush=True)

    def on_event(event):
        key = event.run.key if event.run else None
        tell(kind=event.kind, done=event.done, total=event.total, key=key)

    cluster = settings.pop("cluster", None)
    if cluster is not None:
        settings["cluster"] = read_cluster(cluster)
    out = Path(settings.pop("out"))
    instances, methods = settings.pop("instances"), settings.pop("methods")
    try:
        summary = run_set(instances, methods, out, on_event=on_event, **settings)
    except StoreError as error:
        tell(kind="store error", message=str(error))
        sys.exit(1)
    tell(
        kind="summary",
        done_now=summary.done_now,
        interrupted=summary.interrupted,
        verdicts=dict(summary.verdicts),
    )


if __name__ == "__main__":
    main()
