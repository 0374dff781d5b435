"""Reads a PaddlePaddle inference model: a program (.pdmodel) and its parameters (.pdiparams).

The program is a protocol buffer, a list of operators over named variables. Only the fields
that a classifier needs are declared here; the library skips the others. The parameters are
the persistent variables in the order of their names, each behind a short header.
"""

import struct
from typing import Mapping

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from . import ConversionError
from .graph import INPUT, Graph
from .weights import Weights

# Message -> field -> (number, type); "*" marks a repeated field.
_SCHEMA = {
    "Program": {"blocks": (1, "*Block")},
    "Block": {"vars": (3, "*Variable"), "ops": (4, "*Operator")},
    "Variable": {"name": (1, "string"), "type": (2, "VariableType"), "persistable": (3, "bool")},
    "VariableType": {"type": (1, "int32"), "lod_tensor": (3, "LodTensor")},
    "LodTensor": {"tensor": (1, "TensorType")},
    "TensorType": {"data_type": (1, "int32"), "dims": (2, "*int64")},
    "Operator": {
        "inputs": (1, "*Slot"),
        "outputs": (2, "*Slot"),
        "type": (3, "string"),
        "attributes": (4, "*Attribute"),
    },
    "Slot": {"parameter": (1, "string"), "arguments": (2, "*string")},
    "Attribute": {
        "name": (1, "string"),
        "type": (2, "int32"),
        "i": (3, "int32"),
        "f": (4, "float"),
        "s": (5, "string"),
        "ints": (6, "*int32"),
        "b": (10, "bool"),
    },
}
# Values of enumerations of the format.
_ATTRIBUTE_FIELDS = {0: "i", 1: "f", 2: "s", 3: "ints", 6: "b"}
_FLOAT32, _LOD_TENSOR = 5, 7


def convert_paddle(program: bytes, parameters: bytes) -> bytes:
    """ONNX model from the contents of the .pdmodel and .pdiparams files."""
    try:
        message = _messages()["Program"].FromString(program)
    except DecodeError as error:
        raise ConversionError(f"not a PaddlePaddle program: {error}") from error
    if len(message.blocks) != 1:
        raise ConversionError(f"the program has {len(message.blocks)} blocks, expected one")
    try:
        return _Converter(message.blocks[0], parameters).convert()
    except (KeyError, struct.error) as error:
        raise ConversionError(f"damaged PaddlePaddle model: {error!r}") from error


def _messages() -> Mapping[str, type]:
    """Message classes for `_SCHEMA`."""
    package = "classifyd.paddle"
    file = descriptor_pb2.FileDescriptorProto(name="paddle.proto", package=package)
    field_type = descriptor_pb2.FieldDescriptorProto
    for name, fields in _SCHEMA.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            repeated, kind = kind.startswith("*"), kind.removeprefix("*")
            label = field_type.LABEL_REPEATED if repeated else field_type.LABEL_OPTIONAL
            entry = message.field.add(name=field, number=number, label=label)
            if kind in _SCHEMA:
                entry.type, entry.type_name = field_type.TYPE_MESSAGE, f".{package}.{kind}"
            else:
                entry.type = getattr(field_type, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in _SCHEMA
    }


def _read_parameters(shapes: Mapping[str, tuple[int, ...]], content: bytes) -> dict:
    """Arrays by name. Each is: version, levels (none), version, type message, numbers."""
    tensor_type = _messages()["TensorType"]
    arrays, position = {}, 0
    for name in sorted(shapes):
        version, levels, tensor_version, length = struct.unpack_from("<IQIi", content, position)
        position += struct.calcsize("<IQIi")
        header = tensor_type.FromString(content[position:position + length])
        position += length
        if (version, levels, tensor_version, header.data_type) != (0, 0, 0, _FLOAT32):
            raise ConversionError(f"parameter {name!r} is not a plain float32 tensor")
        if tuple(header.dims) != shapes[name]:
            raise ConversionError(
                f"parameter {name!r} is {list(header.dims)}, the program says {list(shapes[name])}"
            )
        end = position + 4 * int(np.prod(shapes[name]))
        if end > len(content):
            raise ConversionError(f"the parameters end within {name!r}")
        arrays[name] = np.frombuffer(content[position:end], "<f4").reshape(shapes[name])
        position = end
    if position != len(content):
        raise ConversionError(f"{len(content) - position} bytes of the parameters were not used")
    return arrays


class _Operator:
    """One operator with its slots and attributes by name."""

    def __init__(self, message) -> None:
        self.type = message.type
        self.inputs = {slot.parameter: list(slot.arguments) for slot in message.inputs}
        self.outputs = {slot.parameter: list(slot.arguments) for slot in message.outputs}
        self.attributes = {
            a.name: getattr(a, _ATTRIBUTE_FIELDS[a.type])
            for a in message.attributes
            if a.type in _ATTRIBUTE_FIELDS
        }

    def input(self, slot: str) -> str:
        (name,) = self.inputs[slot] or [None]
        if name is None:
            raise ConversionError(f"operator {self.type} has nothing at input {slot!r}")
        return name

    def output(self, slot: str) -> str:
        return self.outputs[slot][0]

    def require(self, **expected) -> None:
        for key, value in expected.items():
            actual = self.attributes[key]
            if (list(actual) if isinstance(value, list) else actual) != value:
                raise ConversionError(f"operator {self.type} has {key} {actual!r}, not {value!r}")


class _Converter:
    def __init__(self, block, parameters: bytes) -> None:
        self.operators = [_Operator(message) for message in block.ops]
        self.shapes = {
            v.name: tuple(v.type.lod_tensor.tensor.dims)
            for v in block.vars
            if v.type.type == _LOD_TENSOR
        }
        persistent = {
            v.name: self.shapes[v.name]
            for v in block.vars
            if v.persistable and v.name in self.shapes
        }
        self.weights = Weights(_read_parameters(persistent, parameters))
        self.graph = Graph()
        self.values: dict[str, str] = {}
        self.result = ""
        self.translators = {
            "feed": self.feed,
            "fetch": self.fetch,
            "conv2d": self.conv,
            "depthwise_conv2d": self.conv,
            "batch_norm": self.batch_norm,
            "elementwise_add": self.elementwise_add,
            "elementwise_mul": self.elementwise_mul,
            "pool2d": self.pool,
            "relu": lambda op: self.unary(op, "Relu"),
            "sigmoid": lambda op: self.unary(op, "Sigmoid"),
            "dropout": self.dropout,
            "flatten_contiguous_range": self.flatten,
            "matmul_v2": self.matmul,
            "softmax": self.softmax,
        }

    def convert(self) -> bytes:
        size = (0, 0)
        for operator in self.operators:
            if operator.type not in self.translators:
                raise ConversionError(f"operator {operator.type} is not supported")
            self.translators[operator.type](operator)
            if operator.type == "feed":
                _batch, _channels, *size = self.shapes[operator.output("Out")]
        self.weights.finish()
        if not self.result:
            raise ConversionError("the program has no result")
        softmax = self.operators[-2].type == "softmax"
        # The program leaves its input size open where the network does not depend on it.
        height, width = (n if n > 0 else 224 for n in size)
        return self.graph.finish(
            self.values[self.result],
            "probabilities" if softmax else "logits",
            self.shapes[self.result][-1],
            (height, width),
        )

    def value(self, name: str) -> str:
        if name not in self.values:
            raise ConversionError(f"variable {name!r} is used before it is computed")
        return self.values[name]

    # One method per operator: it records the ONNX value of the operator's output.

    def feed(self, op: _Operator) -> None:
        if self.values:
            raise ConversionError("the program has several inputs")
        self.values[op.output("Out")] = INPUT

    def fetch(self, op: _Operator) -> None:
        if self.result:
            raise ConversionError("the program has several results")
        self.result = op.input("X")

    def unary(self, op: _Operator, operator: str) -> None:
        self.values[op.output("Out")] = self.graph.node(operator, [self.value(op.input("X"))])

    def conv(self, op: _Operator) -> None:
        op.require(data_format="NCHW", padding_algorithm="EXPLICIT")
        pads = list(op.attributes["paddings"])
        self.values[op.output("Output")] = self.graph.conv(
            self.value(op.input("Input")),
            self.weights.take(op.input("Filter")),
            None,
            strides=op.attributes["strides"],
            padding=pads * 2 if len(pads) == 2 else [pads[0], pads[2], pads[1], pads[3]],
            groups=op.attributes["groups"],
            dilations=op.attributes["dilations"],
        )

    def batch_norm(self, op: _Operator) -> None:
        op.require(data_layout="NCHW", is_test=True)
        slots = ("Scale", "Bias", "Mean", "Variance")
        parameters = [self.graph.constant(self.weights.take(op.input(slot))) for slot in slots]
        self.values[op.output("Y")] = self.graph.node(
            "BatchNormalization",
            [self.value(op.input("X")), *parameters],
            epsilon=op.attributes["epsilon"],
        )

    def elementwise_add(self, op: _Operator) -> None:
        """A residual, or a bias over axis 1."""
        x, y = op.input("X"), op.input("Y")
        if y not in self.weights:
            self.values[op.output("Out")] = self.graph.node("Add", [self.value(x), self.value(y)])
            return
        op.require(axis=1)
        bias = self.weights.take(y, self.shapes[x][1:2])
        trailing = len(self.shapes[x]) - 2
        constant = self.graph.constant(bias.reshape(-1, *[1] * trailing))
        self.values[op.output("Out")] = self.graph.node("Add", [self.value(x), constant])

    def elementwise_mul(self, op: _Operator) -> None:
        op.require(axis=-1)
        inputs = [self.value(op.input("X")), self.value(op.input("Y"))]
        self.values[op.output("Out")] = self.graph.node("Mul", inputs)

    def pool(self, op: _Operator) -> None:
        """Only the average over the whole map."""
        op.require(pooling_type="avg", adaptive=True, ksize=[1, 1], data_format="NCHW")
        self.unary(op, "GlobalAveragePool")

    def dropout(self, op: _Operator) -> None:
        """At inference Paddle's "downgrade_in_infer" scales by the share that training kept."""
        op.require(is_test=True, dropout_implementation="downgrade_in_infer")
        kept = self.graph.scalar(1.0 - op.attributes["dropout_prob"])
        self.values[op.output("Out")] = self.graph.node("Mul", [self.value(op.input("X")), kept])

    def flatten(self, op: _Operator) -> None:
        op.require(start_axis=1, stop_axis=3)
        x = self.value(op.input("X"))
        self.values[op.output("Out")] = self.graph.node("Flatten", [x], axis=1)

    def matmul(self, op: _Operator) -> None:
        op.require(trans_x=False, trans_y=False)
        inputs = [self.value(op.input("X")), self.graph.constant(self.weights.take(op.input("Y")))]
        self.values[op.output("Out")] = self.graph.node("MatMul", inputs)

    def softmax(self, op: _Operator) -> None:
        op.require(axis=-1)
        x = self.value(op.input("X"))
        self.values[op.output("Out")] = self.graph.node("Softmax", [x], axis=1)
