"""Prints the `[golden]` section of a manifest: what the model says of a synthetic picture.

    python models/convert/golden.py models/efficientnet_lite0.toml

Needs the packages `numpy` and `onnxruntime` (and `tomli` before Python 3.11), which set-up
does not install: the section is made once per model and committed with the manifest.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} MANIFEST...")
    for path in map(Path, sys.argv[1:]):
        probabilities = classify(path)
        best = np.argsort(-probabilities, kind="stable")[:5]
        rounded = ", ".join(f"{probabilities[c]:.6f}" for c in best)
        print(f"# {path.name}\n[golden]\nclasses = {best.tolist()}\nprobabilities = [{rounded}]")


def classify(manifest_path: Path) -> np.ndarray:
    """Probability of each class, background dropped, for the synthetic picture."""
    manifest = tomllib.loads(manifest_path.read_text(encoding="utf-8"))
    output = manifest["output"]
    session = onnxruntime.InferenceSession(str(manifest_path.with_name(manifest["file"])))
    tensor = input_tensor(manifest["input"])
    (result,) = session.run([output["name"]], {manifest["input"]["name"]: tensor})
    scores = result.reshape(output["classes"]).astype(np.float64)
    if output["background"]:
        scores = scores[1:]
    if output["kind"] == "logits":
        scores = np.exp(scores - scores.max())
        scores /= scores.sum()
    return scores


def input_tensor(spec: dict) -> np.ndarray:
    """The synthetic picture, normalised, with channels and axes as the manifest orders them."""
    picture = synthetic_picture(spec["width"], spec["height"]).astype(np.float32)
    if spec["channels"] == "bgr":
        picture = picture[:, :, ::-1]
    picture = (picture - np.float32(spec["mean"])) / np.float32(spec["std"])
    if spec["layout"] == "nchw":
        picture = picture.transpose(2, 0, 1)
    return np.ascontiguousarray(picture[None])


def synthetic_picture(width: int, height: int) -> np.ndarray:
    """Gradients of a different slope in each channel under a checkerboard of 16 pixels."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return (x * (c + 3) + y * (5 - c) + 64 * ((x // 16 + y // 16) % 2)) % 256


if __name__ == "__main__":
    main()
