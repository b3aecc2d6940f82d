#!/usr/bin/env bash
# A network cut into parts takes a fifth longer and more in onnxruntime than as one model.
#
# Expected: the seconds of a network's blocks, each a model of its own, add up to those of the whole,
#   but for a call each: that is what every additive model of split inference says.
# Happens: at the default level of optimisation the processor's kernels work on a layout of their own
#   (NCHWc), which a model takes on at its first convolution and gives up at its outputs. In nine
#   parts SqueezeNet 1.1 takes 1.2 to 1.5 times the whole; with that layout off (level "extended")
#   the parts take 0.9 to 1.15 of it, but the whole is 1.4 to 1.6 times slower.
# Versions: onnx 1.23.2, onnxruntime 1.32.0, processors with AVX2 or AVX-512; Python 3.11 or newer.
# Why it matters here: `import onnx --measure` measures neighbours together, too, takes the price of
#   the cut off, and says what is left (instances/networks/modelfiles/timing.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/parts.py" <<'PYTHON'
import os
import time

import numpy as np
import onnx
import onnx.utils
import onnxruntime

light = os.path.join(os.path.dirname(onnx.__file__), "backend/test/data/light")
model = onnx.load(os.path.join(light, "light_squeezenet.onnx"))
# Weights are made by nodes there; as constants they can be cut with the rest.
shapes = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
nodes = []
for node in model.graph.node:
    if node.op_type == "ConstantOfShape":
        value = onnx.numpy_helper.to_array(node.attribute[0].t)
        array = np.full(shapes[node.input[0]], value[0], np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, node.output[0]))
    else:
        nodes.append(node)
del model.graph.node[:]
model.graph.node.extend(nodes)
weights = {t.name for t in model.graph.initializer}
inputs = [x for x in model.graph.input if x.name not in weights]
del model.graph.input[:]
model.graph.input.extend(inputs)
model.ir_version = 8
model = onnx.shape_inference.infer_shapes(model)
# Behind each concatenation a single tensor is alive.
cuts = [inputs[0].name, *(n.output[0] for n in nodes if n.op_type == "Concat"), "softmaxout_1"]


def sessions(level):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = level
    found = []
    for ends in [(cuts[0], cuts[-1]), *zip(cuts, cuts[1:])]:
        part = onnx.utils.Extractor(model).extract_model([ends[0]], [ends[1]])
        run = onnxruntime.InferenceSession(
            part.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        shape = run.get_inputs()[0].shape
        found.append((run, {ends[0]: np.random.default_rng(0).random(shape, np.float32)}))
    return found


ratio, whole = {}, {}
for name in ("ALL", "EXTENDED"):
    found = sessions(getattr(onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{name}"))
    best = [float("inf")] * len(found)
    for _ in range(40):
        for k, (run, given) in enumerate(found):
            began = time.thread_time()
            run.run(None, given)
            best[k] = min(best[k], time.thread_time() - began)
    whole[name], ratio[name] = best[0], sum(best[1:]) / best[0]
    print(f"{name}: whole {1e3 * best[0]:.2f} ms, {len(best) - 1} parts {ratio[name]:.3f} of it")
assert ratio["ALL"] > 1.05 * ratio["EXTENDED"] and whole["EXTENDED"] > whole["ALL"], "this has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" "$folder/parts.py"
