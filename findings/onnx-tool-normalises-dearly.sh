#!/usr/bin/env bash
# A counter of multiply-adds gives a batch normalisation more than the convolution before it.
#
# Expected: the work that onnx-tool reports by layer is about what a device does there: convolutions
#   and matrix products have nearly all of it; a batch normalisation, which scales and shifts each
#   element, has one or two multiply-adds an element.
# Happens: it counts 31 an element. Of ShuffleNet's 0.235e9 nearly half is normalisation, the
#   convolutions have 0.124e9, and the first normalisation has more work than the convolution before
#   it. onnxruntime runs no normalisation at all: all of them are folded into convolutions on loading.
# Versions: onnx 1.23.2, onnx-tool 1.0.1, onnxruntime 1.32.0; Python 3.11 or newer.
# Why it matters here: work divided by speed says where a network is cut. A profile written down from
#   such a count puts half of a network's time where no time is spent. `import onnx` counts
#   convolutions and matrix products from the shapes, names what it leaves out, and `--measure` times.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/count.py" <<'PYTHON'
import collections
import math
import os
import sys

import onnx
import onnx_tool
import onnxruntime

light = os.path.join(os.path.dirname(onnx.__file__), "backend/test/data/light")
path = os.path.join(light, "light_shufflenet.onnx")
model = onnx_tool.Model(path)
graph = model.graph
graph.shape_infer(None)
graph.profile()
work = collections.Counter()
an_element = set()
for node in graph.nodemap.values():
    work[node.op_type] += node.macs[0]
    if node.op_type == "BatchNormalization":
        elements = math.prod(graph.tensormap[node.output[0]].shape)
        an_element.add(node.macs[0] / elements)
total = sum(work.values())
for kind, macs in work.most_common(3):
    print(f"{kind}: {macs / 1e9:.4f}e9, {macs / total:.0%}")
print("a normalisation, an element:", sorted(an_element))

options = onnxruntime.SessionOptions()
options.log_severity_level = 4
options.optimized_model_filepath = os.path.join(sys.argv[1], "loaded.onnx")
onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
before = [node.op_type for node in onnx.load(path).graph.node].count("BatchNormalization")
loaded = onnx.load(options.optimized_model_filepath)
after = [node.op_type for node in loaded.graph.node].count("BatchNormalization")
print(f"normalisations in the file: {before}, run: {after}")

same = an_element == {31.0} and 0.4 < work["BatchNormalization"] / total < 0.5
sys.exit(0 if same and before > 0 and after == 0 else 1)
PYTHON
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check \
  onnx==1.23.2 onnx-tool==1.0.1 onnxruntime==1.32.0
"$folder/env/bin/python" "$folder/count.py" "$folder"
