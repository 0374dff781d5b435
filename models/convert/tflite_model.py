"""Reads a TensorFlow Lite classifier and writes it as a float ONNX graph.

A TFLite graph is NHWC with every shape fixed. The ONNX graph is NCHW and open in height and
width, so each operator is translated for the layout, and a pool over the whole map becomes
a global one. A quantised network (uint8, one scale per tensor) is dequantised: its weights
become the floats they stand for, and each activation is held to the range its 8 bits span,
because the network relies on that saturation in place of a ReLU6.
"""

import struct
from dataclasses import dataclass

import numpy as np
import tflite
from tflite import ActivationFunctionType, BuiltinOperator, TensorType

from . import ConversionError
from .graph import INPUT, Graph
from .weights import Weights

_IDENTIFIER = b"TFL3"
_PADDINGS = {tflite.Padding.SAME: "SAME", tflite.Padding.VALID: "VALID"}
_DTYPES = {
    TensorType.FLOAT32: np.dtype("<f4"),
    TensorType.INT32: np.dtype("<i4"),
    TensorType.UINT8: np.dtype("u1"),
}
_OPERATOR_NAMES = {
    code: name for name, code in vars(BuiltinOperator).items() if isinstance(code, int)
}


def convert_tflite(model: bytes) -> bytes:
    """ONNX model from a .tflite file; the output is `logits` or, after softmax, `probabilities`."""
    if model[4:8] != _IDENTIFIER:
        raise ConversionError("not a TFLite file: the identifier TFL3 is missing")
    try:
        return _Converter(tflite.Model.GetRootAsModel(model, 0)).convert()
    except (struct.error, IndexError, TypeError, ValueError, AttributeError) as error:
        # what the flatbuffers library raises when an offset leads out of the file
        raise ConversionError(f"damaged TFLite file: {error}") from error


@dataclass(frozen=True)
class _Quantisation:
    """real = scale * (stored - zero)"""

    scale: float
    zero: int

    def range(self) -> tuple[float, float]:
        """The least and greatest real number that a uint8 stands for."""
        return self.scale * (0 - self.zero), self.scale * (255 - self.zero)


class _Converter:
    def __init__(self, model: tflite.Model) -> None:
        if model.SubgraphsLength() != 1:
            raise ConversionError(f"{model.SubgraphsLength()} subgraphs, expected one")
        self.model = model
        self.source = model.Subgraphs(0)
        if self.source.InputsLength() != 1 or self.source.OutputsLength() != 1:
            raise ConversionError("expected one input and one output")
        self.graph = Graph()
        self.weights = Weights(self.read_weights())
        self.values = {self.source.Inputs(0): INPUT}
        self.translators = {
            BuiltinOperator.CONV_2D: self.conv,
            BuiltinOperator.DEPTHWISE_CONV_2D: self.depthwise_conv,
            BuiltinOperator.AVERAGE_POOL_2D: self.average_pool,
            BuiltinOperator.MAX_POOL_2D: self.max_pool,
            BuiltinOperator.CONCATENATION: self.concatenation,
            BuiltinOperator.RESHAPE: self.reshape,
            BuiltinOperator.SOFTMAX: self.softmax,
        }

    def convert(self) -> bytes:
        batch, height, width, channels = self.shape(self.source.Inputs(0))
        if (batch, channels) != (1, 3):
            raise ConversionError(f"input has {batch} pictures of {channels} channels, not 1 of 3")
        code = None
        for index in range(self.source.OperatorsLength()):
            operator = self.source.Operators(index)
            code = self.operator_code(operator)
            if code not in self.translators:
                name = _OPERATOR_NAMES.get(code, str(code))
                raise ConversionError(f"operator {name} is not supported")
            if operator.OutputsLength() != 1:
                raise ConversionError(f"operator {_OPERATOR_NAMES[code]} has several outputs")
            self.values[operator.Outputs(0)] = self.translators[code](operator)
        self.weights.finish()
        result = self.source.Outputs(0)
        name = "probabilities" if code == BuiltinOperator.SOFTMAX else "logits"
        return self.graph.finish(
            self.values[result], name, self.shape(result)[-1], (height, width)
        )

    # The parts of the file.

    def operator_code(self, operator) -> int:
        return self.model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()

    def shape(self, tensor: int) -> list[int]:
        return [int(n) for n in self.source.Tensors(tensor).ShapeAsNumpy()]

    def name(self, tensor: int) -> str:
        """Key of a tensor among the weights: names need not be unique, so the index is in it."""
        return f"{tensor}:{self.source.Tensors(tensor).Name().decode(errors='replace')}"

    def quantisation(self, tensor: int) -> _Quantisation | None:
        parameters = self.source.Tensors(tensor).Quantization()
        if parameters is None or parameters.ScaleLength() == 0:
            return None
        if parameters.ScaleLength() != 1 or parameters.ZeroPointLength() != 1:
            raise ConversionError(f"tensor {self.name(tensor)!r} has a scale per channel")
        return _Quantisation(float(parameters.Scale(0)), int(parameters.ZeroPoint(0)))

    def read_weights(self) -> dict[str, np.ndarray]:
        """Every constant tensor as float32, without the target shapes of reshapes."""
        targets = {
            self.source.Operators(i).Inputs(1)
            for i in range(self.source.OperatorsLength())
            if self.operator_code(self.source.Operators(i)) == BuiltinOperator.RESHAPE
            and self.source.Operators(i).InputsLength() > 1
        }
        return {
            self.name(tensor): self.constant(tensor)
            for tensor in range(self.source.TensorsLength())
            if tensor not in targets
            and self.model.Buffers(self.source.Tensors(tensor).Buffer()).DataLength() > 0
        }

    def constant(self, tensor: int) -> np.ndarray:
        source = self.source.Tensors(tensor)
        if source.Type() not in _DTYPES:
            raise ConversionError(f"tensor {self.name(tensor)!r} has type code {source.Type()}")
        content = self.model.Buffers(source.Buffer()).DataAsNumpy().tobytes()
        stored = np.frombuffer(content, _DTYPES[source.Type()]).reshape(self.shape(tensor))
        quantisation = self.quantisation(tensor)
        if source.Type() == TensorType.FLOAT32:
            return stored
        if quantisation is None:
            raise ConversionError(f"tensor {self.name(tensor)!r} holds integers without a scale")
        real = (stored.astype(np.float64) - quantisation.zero) * quantisation.scale
        return real.astype(np.float32)

    def options(self, operator, kind):
        table = operator.BuiltinOptions()
        if table is None:
            raise ConversionError(f"an operator has no {kind.__name__}")
        options = kind()
        options.Init(table.Bytes, table.Pos)
        return options

    def value(self, tensor: int) -> str:
        if tensor not in self.values:
            raise ConversionError(f"tensor {self.name(tensor)!r} is used before it is computed")
        return self.values[tensor]

    def weight(self, tensor: int) -> np.ndarray:
        return self.weights.take(self.name(tensor))

    # One method per operator: the ONNX value that does the same.

    def conv(self, operator) -> str:
        options = self.options(operator, tflite.Conv2DOptions)
        # (out, height, width, in) -> (out, in, height, width)
        kernel = self.weight(operator.Inputs(1)).transpose(0, 3, 1, 2)
        return self.convolve(operator, options, kernel, groups=1)

    def depthwise_conv(self, operator) -> str:
        options = self.options(operator, tflite.DepthwiseConv2DOptions)
        channels = self.shape(operator.Inputs(0))[3]
        # (1, height, width, channels * multiplier) -> (channels * multiplier, 1, height, width)
        kernel = self.weight(operator.Inputs(1)).transpose(3, 0, 1, 2)
        if kernel.shape[:2] != (channels * options.DepthMultiplier(), 1):
            raise ConversionError(f"depthwise kernel {list(kernel.shape)} for {channels} channels")
        return self.convolve(operator, options, kernel, groups=channels)

    def convolve(self, operator, options, kernel: np.ndarray, groups: int) -> str:
        if operator.InputsLength() != 3:
            raise ConversionError("expected a convolution with a bias")
        x = self.graph.conv(
            self.value(operator.Inputs(0)),
            kernel,
            self.weights.take(self.name(operator.Inputs(2)), kernel.shape[:1]),
            strides=(options.StrideH(), options.StrideW()),
            padding=_PADDINGS[options.Padding()],
            groups=groups,
            dilations=(options.DilationHFactor(), options.DilationWFactor()),
        )
        return self.activation(x, operator, options)

    def activation(self, x: str, operator, options) -> str:
        """The fused activation, within the range of a quantised result.

        The network's own result stays as it is: nothing after it relies on saturation, and
        logits beyond the range still rank the classes.
        """
        kind = options.FusedActivationFunction()
        ranges = {
            ActivationFunctionType.NONE: (-np.inf, np.inf),
            ActivationFunctionType.RELU: (0.0, np.inf),
            ActivationFunctionType.RELU6: (0.0, 6.0),
        }
        if kind not in ranges:
            raise ConversionError(f"fused activation {kind} is not supported")
        low, high = ranges[kind]
        quantisation = self.quantisation(operator.Outputs(0))
        if quantisation is not None and not self.is_result(operator.Outputs(0)):
            least, greatest = quantisation.range()
            low, high = max(low, least), min(high, greatest)
        if np.isinf(low) and np.isinf(high):
            return x
        if low == 0.0 and np.isinf(high):
            return self.graph.node("Relu", [x])
        return self.graph.clip(x, low, high)

    def is_result(self, tensor: int) -> bool:
        """Whether `tensor` is the network's output or is reshaped into it."""
        last = self.source.Operators(self.source.OperatorsLength() - 1)
        reshaped = self.operator_code(last) == BuiltinOperator.RESHAPE
        return tensor == self.source.Outputs(0) or (reshaped and tensor == last.Inputs(0))

    def average_pool(self, operator) -> str:
        options = self.options(operator, tflite.Pool2DOptions)
        height, width = self.shape(operator.Inputs(0))[1:3]
        whole = (options.FilterHeight(), options.FilterWidth()) == (height, width)
        if whole and options.Padding() == tflite.Padding.VALID:
            x = self.graph.node("GlobalAveragePool", [self.value(operator.Inputs(0))])
            return self.activation(x, operator, options)
        return self.pool("AveragePool", operator, options)

    def max_pool(self, operator) -> str:
        return self.pool("MaxPool", operator, self.options(operator, tflite.Pool2DOptions))

    def pool(self, kind: str, operator, options) -> str:
        x = self.graph.pool(
            kind,
            self.value(operator.Inputs(0)),
            size=(options.FilterHeight(), options.FilterWidth()),
            strides=(options.StrideH(), options.StrideW()),
            padding=_PADDINGS[options.Padding()],
        )
        # The result lies within the range of its input: only a real activation matters.
        if options.FusedActivationFunction() == ActivationFunctionType.NONE:
            return x
        return self.activation(x, operator, options)

    def concatenation(self, operator) -> str:
        options = self.options(operator, tflite.ConcatenationOptions)
        rank = len(self.shape(operator.Outputs(0)))
        plain = options.FusedActivationFunction() == ActivationFunctionType.NONE
        if rank != 4 or options.Axis() % rank != 3 or not plain:
            raise ConversionError("only a plain concatenation of channels is supported")
        inputs = [self.value(operator.Inputs(i)) for i in range(operator.InputsLength())]
        return self.graph.node("Concat", inputs, axis=1)

    def reshape(self, operator) -> str:
        """Only (1, 1, 1, n) -> (1, n), where the layout makes no difference."""
        before, after = self.shape(operator.Inputs(0)), self.shape(operator.Outputs(0))
        if before[:-1] != [1, 1, 1] or after != [1, before[-1]]:
            raise ConversionError(f"reshape from {before} to {after} is not supported")
        return self.graph.node("Flatten", [self.value(operator.Inputs(0))], axis=1)

    def softmax(self, operator) -> str:
        if self.options(operator, tflite.SoftmaxOptions).Beta() != 1.0:
            raise ConversionError("softmax with a beta other than 1 is not supported")
        return self.graph.node("Softmax", [self.value(operator.Inputs(0))], axis=1)
