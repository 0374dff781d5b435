"""The readers, on tiny files made here: what they accept, and what they refuse and how."""

import io
import json
import struct
import unittest
import zipfile

import flatbuffers
import numpy as np
import tflite
from onnx import load_from_string
from onnx.reference import ReferenceEvaluator

from convert import ConversionError, paddle_model
from convert.efficientnet_lite import convert_efficientnet_lite
from convert.graph import Graph, fold_batch_norm
from convert.paddle_model import convert_paddle
from convert.state_dict import read_state_dict
from convert.tfjs_model import convert_tfjs
from convert.tflite_model import convert_tflite
from convert.weights import Weights


def run(model: bytes, picture: np.ndarray) -> np.ndarray:
    return ReferenceEvaluator(load_from_string(model)).run(None, {"input": picture})[0]


class WeightsTest(unittest.TestCase):
    def setUp(self):
        self.weights = Weights({"a": np.zeros((2, 3), np.float32), "b": np.ones(1, np.float32)})

    def test_a_weight_of_another_shape_is_refused(self):
        with self.assertRaisesRegex(ConversionError, r"'a' has shape \[2, 3\].* needs \[3, 2\]"):
            self.weights.take("a", (3, 2))

    def test_a_missing_weight_is_named(self):
        with self.assertRaisesRegex(ConversionError, "'c' is missing"):
            self.weights.take("c")

    def test_weights_left_over_are_named(self):
        self.weights.take("a")
        with self.assertRaisesRegex(ConversionError, "1 weights were not used: b"):
            self.weights.finish()

    def test_numbers_that_are_not_finite_are_refused(self):
        with self.assertRaisesRegex(ConversionError, "not finite"):
            Weights({"a": np.array([np.nan], np.float32)}).take("a")


class GraphTest(unittest.TestCase):
    def test_equal_graphs_give_equal_bytes(self):
        self.assertEqual(self.pool_and_scale(), self.pool_and_scale())

    def test_one_model_takes_pictures_of_any_size(self):
        model = self.pool_and_scale()
        for height, width in ((4, 4), (5, 7)):
            picture = np.full((1, 3, height, width), 2, np.float32)
            np.testing.assert_array_equal(run(model, picture), [[6, 6, 6]])

    def test_a_wrong_number_of_classes_is_refused(self):
        with self.assertRaisesRegex(ConversionError, r"hold together: .*\(3\) vs \(4\)"):
            self.pool_and_scale(classes=4)

    def test_folded_batch_norm_equals_batch_norm(self):
        random = np.random.default_rng(1)
        kernel = random.normal(size=(4, 3, 1, 1)).astype(np.float32)
        gamma, beta, mean = random.normal(size=(3, 4)).astype(np.float32)
        variance = random.uniform(0.5, 2, 4).astype(np.float32)
        folded, bias = fold_batch_norm(kernel, gamma, beta, mean, variance, 1e-3)
        x = random.normal(size=3)
        expected = gamma * (kernel[:, :, 0, 0] @ x - mean) / np.sqrt(variance + 1e-3) + beta
        np.testing.assert_allclose(folded[:, :, 0, 0] @ x + bias, expected, rtol=1e-5)

    @staticmethod
    def pool_and_scale(classes: int = 3) -> bytes:
        graph = Graph()
        x = graph.node("Flatten", [graph.node("GlobalAveragePool", ["input"])], axis=1)
        x = graph.node("Mul", [x, graph.scalar(3.0)])
        return graph.finish(x, "logits", classes, (4, 4))


class StateDictTest(unittest.TestCase):
    """Pickles are written by hand, opcode by opcode, since PyTorch is not at hand."""

    def test_both_containers_give_the_tensor(self):
        expected = np.arange(6, dtype=np.float32).reshape(2, 3)
        for file in (self.zipped(), self.stream()):
            np.testing.assert_array_equal(read_state_dict(file)["w"], expected)

    def test_strides_are_honoured(self):
        file = self.zipped(self.state_dict(shape=(3, 2), strides=(1, 3)))
        expected = np.arange(6, dtype=np.float32).reshape(2, 3).T
        np.testing.assert_array_equal(read_state_dict(file)["w"], expected)

    def test_a_pickle_that_calls_a_function_is_refused(self):
        foreign = b"\x80\x02cposix\nsystem\n" + self.text("true") + b"\x85R."
        for file in (self.zipped(foreign), self.stream(foreign)):
            with self.assertRaisesRegex(ConversionError, "refused: .* posix.system"):
                read_state_dict(file)

    def test_a_truncated_file_is_refused(self):
        for file in (self.zipped(), self.stream()):
            for length in (5, len(file) // 2, len(file) - 1):
                with self.assertRaises(ConversionError):
                    read_state_dict(file[:length])

    def test_a_tensor_that_reaches_outside_its_storage_is_refused(self):
        with self.assertRaisesRegex(ConversionError, "'w' reaches outside its storage"):
            read_state_dict(self.zipped(self.state_dict(shape=(2, 4), strides=(4, 1))))

    def test_something_else_than_a_state_dict_is_refused(self):
        with self.assertRaisesRegex(ConversionError, "holds a list"):
            read_state_dict(self.zipped(b"\x80\x02]."))

    def test_a_network_without_its_weights_is_refused(self):
        with self.assertRaisesRegex(ConversionError, "'_conv_stem.weight' is missing"):
            convert_efficientnet_lite(self.zipped(), 0)

    @staticmethod
    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    @classmethod
    def integers(cls, values) -> bytes:
        return b"(" + b"".join(b"J" + struct.pack("<i", v) for v in values) + b"t"

    @classmethod
    def state_dict(cls, shape=(2, 3), strides=(3, 1)) -> bytes:
        """{"w": a tensor over the six numbers of storage "0"}"""
        storage = (
            b"(" + cls.text("storage") + b"ctorch\nFloatStorage\n" + cls.text("0")
            + cls.text("cpu") + b"K\x06tQ"
        )
        tensor = (
            b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00"
            + cls.integers(shape) + cls.integers(strides) + b"\x89)tR"
        )
        return b"\x80\x02}" + cls.text("w") + tensor + b"s."

    @classmethod
    def zipped(cls, program: bytes | None = None) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("x/data.pkl", program or cls.state_dict())
            archive.writestr("x/data/0", np.arange(6, dtype="<f4").tobytes())
        return file.getvalue()

    @classmethod
    def stream(cls, program: bytes | None = None) -> bytes:
        magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
        protocol = b"\x80\x02M\xe9\x03."
        system = b"\x80\x02}" + cls.text("little_endian") + b"\x88s."
        keys = b"\x80\x02]" + cls.text("0") + b"a."
        numbers = struct.pack("<q", 6) + np.arange(6, dtype="<f4").tobytes()
        return magic + protocol + system + (program or cls.state_dict()) + keys + numbers


class TfliteTest(unittest.TestCase):
    def test_something_else_than_a_tflite_file_is_refused(self):
        with self.assertRaisesRegex(ConversionError, "TFL3"):
            convert_tflite(b"not a model")

    def test_an_unknown_operator_is_named(self):
        file = self.one_operator(tflite.BuiltinOperator.ELU)
        with self.assertRaisesRegex(ConversionError, "operator ELU is not supported"):
            convert_tflite(file)

    def test_a_truncated_file_is_refused(self):
        file = self.one_operator(tflite.BuiltinOperator.ELU)
        for length in (12, len(file) // 3):
            with self.assertRaises(ConversionError):
                convert_tflite(file[:length])

    @staticmethod
    def one_operator(code: int) -> bytes:
        """A model of a single operator from a (1, 4, 4, 3) input to a like output."""
        builder = flatbuffers.Builder()

        def vector(start, items, prepend):
            start(builder, len(items))
            for item in reversed(items):
                prepend(item)
            return builder.EndVector()

        shape = vector(tflite.TensorStartShapeVector, [1, 4, 4, 3], builder.PrependInt32)
        tensors = []
        for _ in range(2):
            tflite.TensorStart(builder)
            tflite.TensorAddShape(builder, shape)
            tensors.append(tflite.TensorEnd(builder))
        ends = [
            vector(tflite.SubGraphStartInputsVector, [tensor], builder.PrependInt32)
            for tensor in (0, 1)
        ]
        tflite.OperatorStart(builder)
        tflite.OperatorAddInputs(builder, ends[0])
        tflite.OperatorAddOutputs(builder, ends[1])
        operators = vector(
            tflite.SubGraphStartOperatorsVector,
            [tflite.OperatorEnd(builder)],
            builder.PrependUOffsetTRelative,
        )
        tensors = vector(
            tflite.SubGraphStartTensorsVector, tensors, builder.PrependUOffsetTRelative
        )
        tflite.SubGraphStart(builder)
        tflite.SubGraphAddTensors(builder, tensors)
        tflite.SubGraphAddInputs(builder, ends[0])
        tflite.SubGraphAddOutputs(builder, ends[1])
        tflite.SubGraphAddOperators(builder, operators)
        subgraph = tflite.SubGraphEnd(builder)
        tflite.BufferStart(builder)
        buffer = tflite.BufferEnd(builder)
        tflite.OperatorCodeStart(builder)
        # Codes that fit into a byte are in the older field too.
        tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, code)
        tflite.OperatorCodeAddBuiltinCode(builder, code)
        operator_code = tflite.OperatorCodeEnd(builder)
        offset = builder.PrependUOffsetTRelative
        subgraphs = vector(tflite.ModelStartSubgraphsVector, [subgraph], offset)
        buffers = vector(tflite.ModelStartBuffersVector, [buffer], offset)
        codes = vector(tflite.ModelStartOperatorCodesVector, [operator_code], offset)
        tflite.ModelStart(builder)
        tflite.ModelAddSubgraphs(builder, subgraphs)
        tflite.ModelAddBuffers(builder, buffers)
        tflite.ModelAddOperatorCodes(builder, codes)
        builder.Finish(tflite.ModelEnd(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


class TfjsTest(unittest.TestCase):
    """Global average, then one dense layer of two classes."""

    KERNEL = np.array([[1, 2], [3, 4], [5, 6]], "<f4")
    BIAS = np.array([0.5, -0.5], "<f4")

    def test_the_network_computes_what_its_layers_say(self):
        picture = np.arange(48, dtype=np.float32).reshape(1, 3, 4, 4)
        expected = picture.mean(axis=(2, 3)) @ self.KERNEL + self.BIAS
        np.testing.assert_allclose(run(convert_tfjs(self.files()), picture), expected)

    def test_an_unknown_layer_is_named(self):
        with self.assertRaisesRegex(ConversionError, "layer LSTM is not supported"):
            convert_tfjs(self.files(pooling="LSTM"))

    def test_shards_that_end_early_are_refused(self):
        files = self.files()
        files["shard"] = files["shard"][:-1]
        with self.assertRaisesRegex(ConversionError, "end within weight 'dense/bias'"):
            convert_tfjs(files)

    def test_shards_that_go_on_are_refused(self):
        files = self.files()
        files["shard"] += b"\0"
        with self.assertRaisesRegex(ConversionError, "1 bytes of the shards were not used"):
            convert_tfjs(files)

    def test_a_missing_shard_is_named(self):
        files = self.files()
        del files["shard"]
        with self.assertRaisesRegex(ConversionError, "shard"):
            convert_tfjs(files)

    @classmethod
    def files(cls, pooling: str = "GlobalAveragePooling2D") -> dict[str, bytes]:
        def layer(kind, name, source, **config):
            inbound = [[[source, 0, 0, {}]]] if source else []
            config["name"] = name
            return {"class_name": kind, "name": name, "config": config, "inbound_nodes": inbound}

        layers = [
            layer("InputLayer", "picture", None, batch_input_shape=[None, 4, 4, 3]),
            layer(pooling, "pool", "picture", data_format="channels_last"),
            layer("Dense", "dense", "pool", units=2, use_bias=True, activation="linear"),
        ]
        weights = [
            {"name": "dense/kernel", "shape": [3, 2], "dtype": "float32"},
            {"name": "dense/bias", "shape": [2], "dtype": "float32"},
        ]
        config = {"layers": layers, "output_layers": [["dense", 0, 0]]}
        model = {
            "modelTopology": {"model_config": {"config": config}},
            "weightsManifest": [{"paths": ["shard"], "weights": weights}],
        }
        shard = cls.KERNEL.tobytes() + cls.BIAS.tobytes()
        return {"model.json": json.dumps(model).encode(), "shard": shard}


class PaddleTest(unittest.TestCase):
    """Global average, dropout, flatten, then a matrix product of two classes."""

    KERNEL = np.array([[1, 2], [3, 4], [5, 6]], "<f4")

    def test_the_network_computes_what_its_operators_say(self):
        picture = np.arange(48, dtype=np.float32).reshape(1, 3, 4, 4)
        # Dropout of this kind scales by the share that is kept, here 3/4.
        expected = 0.75 * picture.mean(axis=(2, 3)) @ self.KERNEL
        np.testing.assert_allclose(run(convert_paddle(*self.files()), picture), expected)

    def test_an_unknown_operator_is_named(self):
        with self.assertRaisesRegex(ConversionError, "operator gru is not supported"):
            convert_paddle(*self.files(pool="gru"))

    def test_parameters_that_end_early_are_refused(self):
        program, parameters = self.files()
        for length in (0, 10, len(parameters) - 1):
            with self.assertRaises(ConversionError):
                convert_paddle(program, parameters[:length])

    def test_parameters_that_go_on_are_refused(self):
        program, parameters = self.files()
        with self.assertRaisesRegex(ConversionError, "3 bytes of the parameters were not used"):
            convert_paddle(program, parameters + b"abc")

    def test_something_else_than_a_program_is_refused(self):
        with self.assertRaises(ConversionError):
            convert_paddle(b"\xff\xff\xff", b"")

    @classmethod
    def files(cls, pool: str = "pool2d") -> tuple[bytes, bytes]:
        messages = paddle_model._messages()
        program = messages["Program"]()
        block = program.blocks.add()
        shapes = {"x": (-1, 3, 4, 4), "p": (-1, 3, 1, 1), "d": (-1, 3, 1, 1), "f": (-1, 3),
                  "w": (3, 2), "y": (-1, 2)}
        for name, shape in shapes.items():
            variable = block.vars.add(name=name, persistable=name == "w")
            variable.type.type = 7
            variable.type.lod_tensor.tensor.data_type = 5
            variable.type.lod_tensor.tensor.dims.extend(shape)

        def operator(kind, inputs, outputs, **attributes):
            op = block.ops.add(type=kind)
            for slots, names in ((op.inputs, inputs), (op.outputs, outputs)):
                for slot, name in names.items():
                    slots.add(parameter=slot, arguments=[name])
            for name, value in attributes.items():
                code, field = {bool: (6, "b"), int: (0, "i"), float: (1, "f"), str: (2, "s"),
                               list: (3, "ints")}[type(value)]
                attribute = op.attributes.add(name=name, type=code)
                if isinstance(value, list):
                    attribute.ints.extend(value)
                else:
                    setattr(attribute, field, value)

        operator("feed", {"X": "feed"}, {"Out": "x"})
        operator(pool, {"X": "x"}, {"Out": "p"}, pooling_type="avg", adaptive=True,
                 ksize=[1, 1], data_format="NCHW")
        operator("dropout", {"X": "p"}, {"Out": "d"}, is_test=True, dropout_prob=0.25,
                 dropout_implementation="downgrade_in_infer")
        operator("flatten_contiguous_range", {"X": "d"}, {"Out": "f"}, start_axis=1, stop_axis=3)
        operator("matmul_v2", {"X": "f", "Y": "w"}, {"Out": "y"}, trans_x=False, trans_y=False)
        operator("fetch", {"X": "y"}, {"Out": "fetch"})
        tensor = messages["TensorType"](data_type=5, dims=[3, 2]).SerializeToString()
        header = struct.pack("<IQIi", 0, 0, 0, len(tensor))
        return program.SerializeToString(), header + tensor + cls.KERNEL.tobytes()


if __name__ == "__main__":
    unittest.main()
