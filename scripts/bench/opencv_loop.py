"""A plain loop over a video with OpenCV and ONNX Runtime: what classifyd is compared with.

    python opencv_loop.py --manifest models/NAME.toml [--threads N] VIDEO > RECORDS

Decodes, crops, resizes, normalises, runs and reads out each frame as the model's manifest says,
and prints one JSON line per frame. The last line on stderr is `{"frames": N, "seconds": S}`, from
opening the video to the last record; loading the model and its first runs come before.

It is written to be quick: pictures are cropped without a copy, and the tensor's memory is made once
and normalised into directly. Decoding has FFmpeg's own threads, as it has in GStreamer.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11
    import tomli as tomllib

WARM_UP_RUNS = 10
TOP_K = 5
# The quickest of OpenCV's usual filters, so that the comparison is hard on classifyd. FILTER=area
# smooths while it shrinks, as classifyd does, and takes longer.
FILTERS = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC}
FILTER = FILTERS[os.environ.get("FILTER", "linear")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("video")
    arguments = parser.parse_args()
    cv2.setNumThreads(arguments.threads)
    model = Model(arguments.manifest, arguments.threads)
    start = time.perf_counter()
    frames = classify_video(model, arguments.video, sys.stdout)
    seconds = time.perf_counter() - start
    print(json.dumps({"frames": frames, "seconds": seconds}), file=sys.stderr)
    return 0 if frames else 1


def classify_video(model: "Model", video: str, records) -> int:
    """Classifies every frame; the number of frames."""
    capture = cv2.VideoCapture(video)
    frame = 0
    while True:
        present, picture = capture.read()
        if not present:
            capture.release()
            return frame
        labels = model.classify(picture)
        records.write(json.dumps({"frame": frame, "labels": labels}) + "\n")
        frame += 1


class Model:
    """A model as its manifest describes it."""

    def __init__(self, manifest: Path, threads: int) -> None:
        described = tomllib.loads(manifest.read_text(encoding="utf-8"))
        self.input, self.output = described["input"], described["output"]
        self.size = (self.input["width"], self.input["height"])
        self.names = (manifest.parent / self.output["labels"]).read_text("utf-8").splitlines()
        self._prepare_normalisation()
        self._open(manifest.parent / described["file"], threads)

    def _prepare_normalisation(self) -> None:
        nchw = self.input["layout"] == "nchw"
        self.axes = (2, 0, 1) if nchw else (0, 1, 2)
        shape = (3, 1, 1) if nchw else (1, 1, 3)
        std = np.float32(self.input["std"]).reshape(shape)
        self.scale = 1 / std
        self.bias = -np.float32(self.input["mean"]).reshape(shape) / std
        height_and_width = self.size[::-1]
        self.tensor = np.empty(
            (1, 3, *height_and_width) if nchw else (1, *height_and_width, 3), np.float32
        )

    def _open(self, file: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_free_dimension_override_by_name("height", self.input["height"])
        options.add_free_dimension_override_by_name("width", self.input["width"])
        self.session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        self.tensor.fill(0)
        for _ in range(WARM_UP_RUNS):
            self.run()

    def classify(self, picture: np.ndarray) -> list:
        """The best classes of a picture in OpenCV's BGR."""
        small = cv2.resize(self.crop(picture), self.size, interpolation=FILTER)
        if self.input["channels"] == "rgb":
            small = small[:, :, ::-1]
        np.multiply(small.transpose(self.axes), self.scale, out=self.tensor[0])
        self.tensor[0] += self.bias
        return self.best(self.run())

    def crop(self, picture: np.ndarray) -> np.ndarray:
        """The centred square that the manifest's `crop` names, or all of it."""
        if "crop" not in self.input:
            return picture
        height, width = picture.shape[:2]
        side = round(min(height, width) * self.input["crop"])
        top, left = (height - side) // 2, (width - side) // 2
        return picture[top : top + side, left : left + side]

    def run(self) -> np.ndarray:
        """The model's numbers for the present tensor."""
        outputs = self.session.run([self.output["name"]], {self.input["name"]: self.tensor})
        return outputs[0].ravel()

    def best(self, numbers: np.ndarray) -> list:
        """The most probable classes of the model's numbers, most probable first."""
        if self.output["kind"] == "logits":
            numbers = np.exp(numbers - numbers.max())
            numbers /= numbers.sum()
        if self.output["background"]:
            numbers = numbers[1:]
        classes = np.argpartition(numbers, -TOP_K)[-TOP_K:]
        classes = classes[np.argsort(-numbers[classes])]
        return [
            {"class": int(one), "label": self.names[one], "confidence": float(numbers[one])}
            for one in classes
        ]


if __name__ == "__main__":
    sys.exit(main())
