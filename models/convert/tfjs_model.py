"""Reads a Keras classifier saved for TensorFlow.js: `model.json` and its weight shards."""

import json
import math
from typing import Mapping

import numpy as np

from . import ConversionError
from .graph import INPUT, Graph
from .weights import Weights


def convert_tfjs(files: Mapping[str, bytes]) -> bytes:
    """ONNX model from `model.json` and the shards it lists, all by their plain file names."""
    try:
        model = json.loads(files["model.json"])
        layers = model["modelTopology"]["model_config"]["config"]
        return _Converter(layers, Weights(_read_weights(model, files))).convert()
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ConversionError(f"not a TensorFlow.js layers model: {error!r}") from error


def _read_weights(model: dict, files: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    """The arrays of all groups; within a group they follow each other without gaps."""
    arrays = {}
    for group in model["weightsManifest"]:
        content = b"".join(files[path] for path in group["paths"])
        start = 0
        for entry in group["weights"]:
            if entry["dtype"] != "float32" or "quantization" in entry:
                raise ConversionError(f"weight {entry['name']!r} is not plain float32")
            end = start + 4 * math.prod(entry["shape"])
            if end > len(content):
                raise ConversionError(f"the shards end within weight {entry['name']!r}")
            array = np.frombuffer(content[start:end], "<f4").reshape(entry["shape"])
            arrays[entry["name"]] = array
            start = end
        if start != len(content):
            raise ConversionError(f"{len(content) - start} bytes of the shards were not used")
    return arrays


class _Converter:
    def __init__(self, config: dict, weights: Weights) -> None:
        self.config = config
        self.weights = weights
        self.graph = Graph()
        self.values: dict[str, str] = {}
        self.size = (0, 0)
        self.translators = {
            "InputLayer": self.input_layer,
            "Conv2D": self.conv,
            "BatchNormalization": self.batch_norm,
            "Activation": lambda layer, x: self.activation(layer["activation"], x),
            "ZeroPadding2D": self.zero_padding,
            "MaxPooling2D": self.max_pool,
            "GlobalAveragePooling2D": self.global_average_pool,
            "Add": lambda layer, x, y: self.graph.node("Add", [x, y]),
            "Dense": self.dense,
        }

    def convert(self) -> bytes:
        for layer in self.config["layers"]:
            kind = layer["class_name"]
            if kind not in self.translators:
                raise ConversionError(f"layer {kind} is not supported")
            nodes = layer["inbound_nodes"]
            if len(nodes) > 1:
                raise ConversionError(f"layer {layer['name']!r} is used more than once")
            inputs = [self.values[source[0]] for node in nodes for source in node]
            self.values[layer["name"]] = self.translators[kind](layer["config"], *inputs)
        self.weights.finish()
        ((result, _node, _tensor),) = self.config["output_layers"]
        last = next(layer for layer in self.config["layers"] if layer["name"] == result)["config"]
        softmax = last.get("activation") == "softmax"
        name = "probabilities" if softmax else "logits"
        return self.graph.finish(self.values[result], name, last["units"], self.size)

    def weight(self, layer: dict, name: str, shape=None) -> np.ndarray:
        return self.weights.take(f"{layer['name']}/{name}", shape)

    # One method per kind of layer: its configuration and inputs -> its value.

    def input_layer(self, layer: dict) -> str:
        _batch, height, width, channels = layer["batch_input_shape"]
        if channels != 3:
            raise ConversionError(f"the input has {channels} channels, not 3")
        self.size = (height, width)
        return INPUT

    def conv(self, layer: dict, x: str) -> str:
        self.require(layer, data_format="channels_last")
        # (height, width, in, out) -> (out, in, height, width)
        kernel = self.weight(layer, "kernel").transpose(3, 2, 0, 1)
        bias = self.weight(layer, "bias", kernel.shape[:1]) if layer["use_bias"] else None
        x = self.graph.conv(
            x,
            kernel,
            bias,
            strides=layer["strides"],
            padding=layer["padding"].upper(),
            dilations=layer["dilation_rate"],
        )
        return self.activation(layer["activation"], x)

    def batch_norm(self, layer: dict, x: str) -> str:
        self.require(layer, axis=[3], scale=True, center=True)
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        parameters = [self.graph.constant(self.weight(layer, name)) for name in names]
        return self.graph.node("BatchNormalization", [x, *parameters], epsilon=layer["epsilon"])

    def activation(self, name: str, x: str) -> str:
        if name == "linear":
            return x
        if name == "relu":
            return self.graph.node("Relu", [x])
        if name == "softmax":
            return self.graph.node("Softmax", [x], axis=1)
        raise ConversionError(f"activation {name!r} is not supported")

    def zero_padding(self, layer: dict, x: str) -> str:
        self.require(layer, data_format="channels_last")
        (top, bottom), (left, right) = layer["padding"]
        pads = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
        return self.graph.node("Pad", [x, self.graph.constant(pads)])

    def max_pool(self, layer: dict, x: str) -> str:
        self.require(layer, data_format="channels_last")
        return self.graph.pool(
            "MaxPool",
            x,
            size=layer["pool_size"],
            strides=layer["strides"],
            padding=layer["padding"].upper(),
        )

    def global_average_pool(self, layer: dict, x: str) -> str:
        self.require(layer, data_format="channels_last")
        return self.graph.node("Flatten", [self.graph.node("GlobalAveragePool", [x])], axis=1)

    def dense(self, layer: dict, x: str) -> str:
        self.require(layer, use_bias=True)
        kernel = self.graph.constant(self.weight(layer, "kernel"))
        bias = self.graph.constant(self.weight(layer, "bias", (layer["units"],)))
        return self.activation(layer["activation"], self.graph.node("Gemm", [x, kernel, bias]))

    def require(self, layer: dict, **expected) -> None:
        for key, value in expected.items():
            if layer[key] != value:
                raise ConversionError(
                    f"layer {layer['name']!r} has {key} {layer[key]!r}, not {value!r}"
                )
