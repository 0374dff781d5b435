#!/usr/bin/env python3
"""Makes the tiny models of the tests: `python3 make_models.py` (needs onnx and numpy).

Each tells colours: its answer follows from the mean red, green and blue of the picture, so a test
that draws a picture knows the labels. Each file is under 5 KB and comes out the same everywhere.

colour         logits from the means; channels first, red first; has a golden output
colour_nhwc    the same as probabilities with a background class; channels last, blue first
red            always says red, at once
slow           knows green and blue but no red, and takes tens of milliseconds of multiplication
nan_on_red     gives NaN for a picture that is red, and colour's answers otherwise
fails_on_red   does not run on a picture that is red, and gives colour's answers otherwise
always_nan     gives NaN for every picture
loops_on_red   runs for hours on a picture that is red, in short nodes, and gives colour's answers
stuck_on_red   the same for many seconds, in one long node, which nothing can end
together       takes as long as slow, on however many pictures at once, and gives colour's answers
together_too   the same as together, for a second opinion
mixes          takes several pictures at once and answers to each what fits their mean
"""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent / "models"
LABELS = ["red", "green", "blue"]
SIDE = 32

# How sharply the logits tell the colours apart.
GAIN = 12.0

# The slow model multiplies square matrices of this size, so often.
MATRIX = 640
MULTIPLICATIONS = 20

# Rounds of loops_on_red, of two nodes each.
ROUNDS = 10**9

# Steps of stuck_on_red, and the side of the matrix that each multiplies: some 14 s.
STEPS = 20_000
UNITS = 2048

# Above this mean, of 0 to 1, a picture counts as red; the golden picture's is about 0.4.
RED = 0.8

MANIFEST = """\
# {comment}
description = "{description}"
file = "{name}.onnx"
sha256 = "{sha256}"

[source]
package = "tests/data/make_models.py"
licence = "MIT OR Apache-2.0"

[input]
name = "input"
layout = "{layout}"
width = {side}
height = {side}
channels = "{channels}"
mean = [0.0, 0.0, 0.0]
std = [255.0, 255.0, 255.0]
resize = "bilinear"
crop = 1.0

[output]
name = "output"
kind = "{kind}"
classes = {classes}
background = {background}
labels = "colours.txt"
"""


def constant(name, values, kind=np.float32):
    return numpy_helper.from_array(np.array(values, dtype=kind), name)


# The means of the channels, 1x3, from an input that is channels first.
MEANS = [
    helper.make_node("GlobalAveragePool", ["input"], ["pooled"]),
    helper.make_node("Flatten", ["pooled"], ["means"]),
]
LOGITS = MEANS + [helper.make_node("Mul", ["means", "gain"], ["logits"])]
GAIN_CONSTANT = constant("gain", GAIN)


def colour():
    return MEANS + [helper.make_node("Mul", ["means", "gain"], ["output"])], [GAIN_CONSTANT]


def colour_nhwc():
    nodes = [
        helper.make_node("ReduceMean", ["input", "axes"], ["bgr"], keepdims=0),
        helper.make_node("Gather", ["bgr", "backwards"], ["means"], axis=1),
        helper.make_node("Mul", ["means", "gain"], ["known"]),
        helper.make_node("Concat", ["background", "known"], ["logits"], axis=1),
        helper.make_node("Softmax", ["logits"], ["output"], axis=1),
    ]
    constants = [
        constant("axes", [1, 2], np.int64),
        constant("backwards", [2, 1, 0], np.int64),
        constant("background", [[0.0]]),
        GAIN_CONSTANT,
    ]
    return nodes, constants


def red():
    nodes = MEANS + [
        helper.make_node("Mul", ["means", "nothing"], ["zeros"]),
        helper.make_node("Add", ["zeros", "answer"], ["output"]),
    ]
    return nodes, [constant("nothing", 0.0), constant("answer", [[GAIN, 0.0, 0.0]])]


def slow():
    """A matrix whose elements are one over its size, times itself, is the same matrix again."""
    nodes = MEANS + [
        helper.make_node("Mul", ["means", "gains"], ["logits"]),
        # One, but not for the optimiser, which would do the work when the model is loaded.
        helper.make_node("ReduceMean", ["means"], ["mean"], keepdims=1),
        helper.make_node("Clip", ["mean", "one", "one"], ["unit"]),
        helper.make_node("Div", ["unit", "size"], ["element"]),
        helper.make_node("Expand", ["element", "shape"], ["product0"]),
    ]
    for index in range(MULTIPLICATIONS):
        factors = [f"product{index}", "product0"]
        nodes.append(helper.make_node("MatMul", factors, [f"product{index + 1}"]))
    nodes += [
        helper.make_node("ReduceMax", [f"product{MULTIPLICATIONS}"], ["largest"], keepdims=0),
        helper.make_node("Mul", ["largest", "size"], ["one_again"]),
        helper.make_node("Mul", ["logits", "one_again"], ["output"]),
    ]
    constants = [
        constant("gains", [[-GAIN, GAIN, GAIN]]),
        constant("one", 1.0),
        constant("size", float(MATRIX)),
        constant("shape", [MATRIX, MATRIX], np.int64),
    ]
    return nodes, constants


# Whether a picture is red: 0 or 1, as an index into a list.
IS_RED = [
    helper.make_node("Gather", ["means", "first"], ["red"], axis=1),
    helper.make_node("Greater", ["red", "limit"], ["is_red"]),
    helper.make_node("Cast", ["is_red"], ["index"], to=TensorProto.INT64),
    helper.make_node("Reshape", ["index", "flat"], ["flat_index"]),
]
RED_CONSTANTS = [
    GAIN_CONSTANT,
    constant("first", [0], np.int64),
    constant("limit", RED),
    constant("flat", [1], np.int64),
]


def nan_on_red():
    """The logarithm of what is left to RED is no number when it is exceeded."""
    nodes = LOGITS + [
        helper.make_node("Gather", ["means", "first"], ["red"], axis=1),
        helper.make_node("Sub", ["limit", "red"], ["left"]),
        helper.make_node("Log", ["left"], ["logarithm"]),
        helper.make_node("Mul", ["logarithm", "nothing"], ["zero"]),
        helper.make_node("Add", ["logits", "zero"], ["output"]),
    ]
    constants = [
        GAIN_CONSTANT,
        constant("first", [0], np.int64),
        constant("limit", RED),
        constant("nothing", 0.0),
    ]
    return nodes, constants


def fails_on_red():
    """A red picture makes the index of a look-up point beyond the table."""
    nodes = LOGITS + IS_RED + [
        helper.make_node("Gather", ["table", "flat_index"], ["zero"], axis=0),
        helper.make_node("Add", ["logits", "zero"], ["output"]),
    ]
    return nodes, RED_CONSTANTS + [constant("table", [0.0])]


def loops_on_red():
    """One, times itself, over and over."""
    value = helper.make_tensor_value_info("value", TensorProto.FLOAT, [1, 1])
    value_before = helper.make_tensor_value_info("value_before", TensorProto.FLOAT, [1, 1])
    goes_on = helper.make_tensor_value_info("goes_on", TensorProto.BOOL, [])
    went_on = helper.make_tensor_value_info("went_on", TensorProto.BOOL, [])
    round_ = helper.make_tensor_value_info("round", TensorProto.INT64, [])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["went_on"], ["goes_on"]),
            helper.make_node("Mul", ["value_before", "value_before"], ["value"]),
        ],
        "body",
        [round_, went_on, value_before],
        [goes_on, value],
    )
    nodes = LOGITS + IS_RED + [
        helper.make_node("Gather", ["rounds", "flat_index"], ["rounds_of_this"], axis=0),
        helper.make_node("Squeeze", ["rounds_of_this"], ["count"]),
        helper.make_node("ReduceMean", ["means"], ["mean"], keepdims=1),
        helper.make_node("Clip", ["mean", "one", "one"], ["unit"]),
        helper.make_node("Loop", ["count", "", "unit"], ["one_again"], body=body),
        helper.make_node("Mul", ["logits", "one_again"], ["output"]),
    ]
    constants = [constant("rounds", [1, ROUNDS], np.int64), constant("one", 1.0)]
    return nodes, RED_CONSTANTS + constants


def stuck_on_red():
    """A recurrent network whose weights are all zero, and so is what it says."""
    nodes = LOGITS + IS_RED + [
        helper.make_node("Gather", ["shapes", "flat_index"], ["shape_of_this"], axis=0),
        helper.make_node("Reshape", ["shape_of_this", "three"], ["shape"]),
        helper.make_node("ReduceMean", ["means"], ["mean"], keepdims=1),
        helper.make_node("Expand", ["mean", "shape"], ["sequence"]),
        helper.make_node("ConstantOfShape", ["weight_shape"], ["weight"]),
        helper.make_node("ConstantOfShape", ["recurrence_shape"], ["recurrence"]),
        helper.make_node(
            "RNN", ["sequence", "weight", "recurrence"], ["", "last"], hidden_size=UNITS
        ),
        helper.make_node("ReduceMax", ["last"], ["zero"], keepdims=0),
        helper.make_node("Add", ["logits", "zero"], ["output"]),
    ]
    constants = [
        constant("shapes", [[1, 1, 1], [STEPS, 1, 1]], np.int64),
        constant("three", [3], np.int64),
        constant("weight_shape", [1, UNITS, 1], np.int64),
        constant("recurrence_shape", [1, UNITS, UNITS], np.int64),
    ]
    return nodes, RED_CONSTANTS + constants


def together():
    """What slow does, for all pictures at once."""
    nodes, constants = slow()
    others = [one for one in constants if one.name != "gains"]
    return nodes, [constant("gains", [[GAIN, GAIN, GAIN]])] + others


def together_too():
    return together()


def mixes():
    nodes = MEANS + [
        helper.make_node("ReduceMean", ["means", "pictures"], ["mean"], keepdims=1),
        helper.make_node("Mul", ["means", "nothing"], ["zeros"]),
        helper.make_node("Add", ["zeros", "mean"], ["means_of_all"]),
        helper.make_node("Mul", ["means_of_all", "gain"], ["output"]),
    ]
    return nodes, [constant("pictures", [0], np.int64), constant("nothing", 0.0), GAIN_CONSTANT]


def always_nan():
    nodes = MEANS + [
        helper.make_node("Sub", ["means", "large"], ["negative"]),
        helper.make_node("Log", ["negative"], ["output"]),
    ]
    return nodes, [constant("large", 2.0)]


def model(name, nodes, constants, shape, classes):
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [shape[0], classes])],
        constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made.SerializeToString(deterministic=True)


def golden():
    """What colour answers to the golden picture, which models/README.md describes."""
    y, x, c = np.ogrid[:SIDE, :SIDE, :3]
    picture = (x * (c + 3) + y * (5 - c) + 64 * ((x // 16 + y // 16) % 2)) % 256
    logits = GAIN * picture.mean(axis=(0, 1)) / 255
    shares = np.exp(logits - logits.max())
    shares /= shares.sum()
    best = sorted(range(3), key=lambda index: -shares[index])
    probabilities = ", ".join(f"{shares[index]:.6f}" for index in best)
    return f"\n[golden]\nclasses = {best}\nprobabilities = [{probabilities}]\n"


FIRST = {"layout": "nchw", "channels": "rgb", "kind": "logits", "classes": 3}
LAST = {"layout": "nhwc", "channels": "bgr", "kind": "probabilities", "classes": 4}

# Models of a free batch axis, and how many frames may share a run of theirs.
SHARED = {"together": 4, "together_too": 4, "mixes": 2}


def write(make, form):
    name = make.__name__
    channels_first = form["layout"] == "nchw"
    batch = "batch" if name in SHARED else 1
    shape = [batch, 3, SIDE, SIDE] if channels_first else [batch, SIDE, SIDE, 3]
    data = model(name, *make(), shape, form["classes"])
    assert len(data) < 5000, f"{name} has {len(data)} bytes"
    (HERE / f"{name}.onnx").write_bytes(data)
    manifest = MANIFEST.format(
        comment="Made by make_models.py, which says what it does.",
        description=f"tells colours: {name}",
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        side=SIDE,
        background="false" if form["classes"] == len(LABELS) else "true",
        **form,
    )
    manifest += f"\n[run]\nbatch = {SHARED[name]}\n" if name in SHARED else ""
    manifest += golden() if make is colour else ""
    (HERE / f"{name}.toml").write_text(manifest)


def main():
    HERE.mkdir(exist_ok=True)
    (HERE / "colours.txt").write_text("".join(f"{label}\n" for label in LABELS))
    makers = (colour, red, slow, nan_on_red, fails_on_red, always_nan, loops_on_red, stuck_on_red)
    for make in makers + (together, together_too, mixes):
        write(make, FIRST)
    write(colour_nhwc, LAST)


if __name__ == "__main__":
    main()
