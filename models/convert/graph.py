"""Builds one ONNX graph of a convolutional classifier and writes it deterministically.

Names are numbered in the order of construction, and the file carries neither dates nor
library versions: the same weights give the same bytes on every machine.
"""

from typing import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from . import ConversionError

INPUT = "input"
HEIGHT, WIDTH = "height", "width"
# ONNX Runtime 1.8 and later run these; nothing in the graphs needs more.
OPSET = 13
IR_VERSION = 7


class Graph:
    """A graph under construction. Values are named by strings; activations are NCHW."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._scalars: dict[float, str] = {}

    def constant(self, array: np.ndarray) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def scalar(self, value: float) -> str:
        """A float32 constant without dimensions; equal values share one."""
        if value not in self._scalars:
            # not through `constant`: ascontiguousarray makes scalars one-dimensional
            name = f"constant_{len(self._constants)}"
            self._constants.append(numpy_helper.from_array(np.array(value, np.float32), name))
            self._scalars[value] = name
        return self._scalars[value]

    def node(self, operator: str, inputs: Sequence[str], **attributes) -> str:
        """Appends a node with one output and returns that output's name."""
        output = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(
            helper.make_node(operator, list(inputs), [output], name=output, **attributes)
        )
        return output

    def conv(
        self,
        x: str,
        kernel: np.ndarray,
        bias: np.ndarray | None,
        *,
        strides: Sequence[int],
        padding: str | Sequence[int],
        groups: int = 1,
        dilations: Sequence[int] = (1, 1),
    ) -> str:
        """Convolution; `kernel` is (out, in / groups, height, width).

        `padding` is "SAME" (TensorFlow's rule, applied at run time to the real size),
        "VALID", or the four pads (top, left, bottom, right).
        """
        inputs = [x, self.constant(kernel)]
        if bias is not None:
            inputs.append(self.constant(bias))
        return self.node(
            "Conv",
            inputs,
            kernel_shape=list(kernel.shape[2:]),
            strides=list(strides),
            dilations=list(dilations),
            group=groups,
            **_padding(padding),
        )

    def pool(
        self,
        operator: str,
        x: str,
        *,
        size: Sequence[int],
        strides: Sequence[int],
        padding: str | Sequence[int],
    ) -> str:
        """`MaxPool` or `AveragePool`; padded pixels do not count in the average."""
        return self.node(
            operator, [x], kernel_shape=list(size), strides=list(strides), **_padding(padding)
        )

    def clip(self, x: str, low: float, high: float) -> str:
        return self.node("Clip", [x, self.scalar(low), self.scalar(high)])

    def finish(self, x: str, output: str, classes: int, size: tuple[int, int]) -> bytes:
        """The serialised model whose output, renamed `output`, is value `x`.

        The graph is checked at `size`, the (height, width) that the network was trained
        for: every shape must fit and the output must be (1, `classes`). The model itself
        leaves both dimensions open.
        """
        for node in self._nodes:
            node.input[:] = [output if name == x else name for name in node.input]
            node.output[:] = [output if name == x else name for name in node.output]
        _check(self._model(output, classes, size))
        return self._model(output, classes, (HEIGHT, WIDTH)).SerializeToString(deterministic=True)

    def _model(self, output: str, classes: int, size: tuple) -> onnx.ModelProto:
        graph = helper.make_graph(
            self._nodes,
            "classifier",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, 3, *size])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, classes])],
            self._constants,
        )
        model = helper.make_model(
            graph, producer_name="classifyd", opset_imports=[helper.make_opsetid("", OPSET)]
        )
        model.ir_version = IR_VERSION
        return model


def fold_batch_norm(
    kernel: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    epsilon: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias of a convolution that does what convolution + batch norm did.

    Computed in float64 and rounded once. Only operations that IEEE 754 rounds exactly are
    used, so that the result does not depend on the machine.
    """
    scale = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    folded = kernel.astype(np.float64) * scale[:, None, None, None]
    bias = beta.astype(np.float64) - mean.astype(np.float64) * scale
    return folded.astype(np.float32), bias.astype(np.float32)


def _padding(padding: str | Sequence[int]) -> dict:
    if padding == "SAME":
        return {"auto_pad": "SAME_UPPER"}
    if padding == "VALID":
        return {"auto_pad": "VALID"}
    return {"pads": list(padding)}


def _check(model: onnx.ModelProto) -> None:
    """Raises unless every operator is well formed and every shape fits, the output's included."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConversionError(f"the graph does not hold together: {error}") from error
