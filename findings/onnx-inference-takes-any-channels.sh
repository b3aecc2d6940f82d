#!/usr/bin/env bash
# ONNX' strict shape inference takes a convolution whose weights do not fit its input.
#
# Expected: `onnx.shape_inference.infer_shapes(model, strict_mode=True)` refuses a Conv of weights
#   for three channels on an image of two, as it refuses a Gemm or MatMul of 1 x 8 by 7 x 4.
# Happens: it passes, in the checker's full check as well, and the output gets a shape. onnxruntime
#   builds a session of it and refuses it when it runs.
# Versions: onnx 1.23.2, onnxruntime 1.32.0; Python 3.11 or newer.
# Why it matters here: FLOPs are counted from shapes, so a file with a wrong shape would get a
#   figure. instances/networks/modelfiles/counting.py checks the channels itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/channels.py" <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def model(node, given, weights):
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, list("abcd"[: len(given)]))],
        [numpy_helper.from_array(np.zeros(weights, np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


cases = {
    "Conv": model(helper.make_node("Conv", ["x", "w"], ["y"]), [1, 2, 8, 8], (4, 3, 3, 3)),
    "Gemm": model(helper.make_node("Gemm", ["x", "w"], ["y"]), [1, 8], (7, 4)),
    "MatMul": model(helper.make_node("MatMul", ["x", "w"], ["y"]), [1, 8], (7, 4)),
}
passed = {}
for name, case in cases.items():
    try:
        found = onnx.shape_inference.infer_shapes(case, strict_mode=True, data_prop=True)
        shape = found.graph.output[0].type.tensor_type.shape
        passed[name] = [d.dim_value for d in shape.dim]
    except onnx.shape_inference.InferenceError:
        passed[name] = None
    print(name, "refused" if passed[name] is None else f"passed, output {passed[name]}")
onnx.checker.check_model(cases["Conv"], full_check=True)
session = onnxruntime.InferenceSession(
    cases["Conv"].SerializeToString(), providers=["CPUExecutionProvider"]
)
try:
    session.run(None, {"x": np.zeros((1, 2, 8, 8), np.float32)})
    ran = True
except Exception as error:
    ran = False
    print("onnxruntime, running the Conv:", str(error).split(" : ")[-1][:70])
assert passed == {"Conv": [1, 4, 6, 6], "Gemm": None, "MatMul": None}, "this has changed"
assert not ran, "this has changed"
PYTHON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" "$folder/channels.py" 2>"$folder/log"
