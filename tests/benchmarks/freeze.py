"""Write ``frozen.json``: the inputs and answers of specs that are not in it yet.

    python tests/benchmarks/freeze.py [--answers-of-large]

What is in the file stays: a spec whose input has changed needs another name. Answers of large
specs take minutes; without them their inputs alone are frozen.
"""

import argparse
import json
import math
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
from benchmark_registry import SPECS

from splitopt.instances.core.documents import write_json

PATH = Path(__file__).with_name("frozen.json")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers-of-large", action="store_true")
    chosen = parser.parse_args()
    found = json.loads(PATH.read_text()) if PATH.exists() else {}
    for spec in SPECS:
        entry = found.setdefault(spec.name, {"input": None, "answers": {}})
        if spec.missing:
            print(f"{spec.name}: its answers need {', '.join(spec.missing)}")
        if (entry["input"] is None and spec.suite != "learner") or entry["input"] is None:
            entry["input"] = spec.fingerprint()
        for phase in spec.phases:
            wanted = spec.small or chosen.answers_of_large
            if phase.answer is None or phase.name in entry["answers"] or not wanted or spec.missing:
                continue
            answer = phase.answer(phase.run(*phase.prepare()))
            print(f"{spec.name} {phase.name}: {answer!r}", flush=True)
            if not math.isnan(answer):
                entry["answers"][phase.name] = answer
        write_json(PATH, dict(sorted(found.items())), indent=2)
    gone = sorted(set(found) - {spec.name for spec in SPECS})
    for name in gone:
        del found[name]
    write_json(PATH, dict(sorted(found.items())), indent=2)


if __name__ == "__main__":
    main()
