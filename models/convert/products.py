"""The files that set-up puts in place: what each is made from, and how."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping

from . import ConversionError

try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11
    import tomli as tomllib

from .artefacts import Artefact, sha256_of

SOURCES = Path(__file__).with_name("sources.toml")

# Class -> name, to see that the label file is in the order of ILSVRC2012.
_ANCHORS = {0: "tench", 207: "golden retriever", 671: "mountain bike", 701: "parachute",
            920: "traffic light", 948: "Granny Smith", 999: "toilet tissue"}


@dataclass(frozen=True)
class Product:
    """One file, `path` from the repository's root, made from members of an artefact."""

    path: str
    artefact: str
    member: str
    make: str
    sha256: str
    variant: int | None = None
    link: str | None = None
    machine: str | None = None
    optional: bool = False
    set: str | None = None

    def is_in_place(self, root: Path) -> bool:
        return sha256_of(root / self.path) == self.sha256

    def content(self, members: Mapping[str, bytes]) -> bytes:
        """The file's content, from the artefact's members by plain file name."""
        if self.make not in _MAKERS:
            raise ConversionError(f"{self.path}: there is no maker {self.make!r}")
        try:
            return _MAKERS[self.make](self, members)
        except ConversionError as error:
            raise ConversionError(f"{self.path} from {self.member}: {error}") from error

    def put_in_place(self, root: Path, content: bytes) -> None:
        """Writes the file whole or not at all; refuses content that is not the pinned one."""
        path = root / self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(content)
        if (digest := sha256_of(partial)) != self.sha256:
            partial.unlink()
            raise ConversionError(
                f"{self.path} came out with sha256 {digest}, expected {self.sha256}. If you "
                "changed the converter on purpose, put the new digest into the manifest."
            )
        os.replace(partial, path)


def load_sources(root: Path) -> tuple[dict[str, Artefact], list[Product]]:
    """All artefacts by name, and all products, models with the sha256 of their manifests."""
    sources = tomllib.loads(SOURCES.read_text(encoding="utf-8"))
    artefacts = {
        name: Artefact.from_table(table) for name, table in sources["artefacts"].items()
    }
    digests = _manifest_digests(root / "models")
    products = [
        Product(**{"sha256": digests.get(table["path"]), **table})
        for table in sources["products"]
    ]
    for product in products:
        if product.sha256 is None:
            raise ConversionError(f"no manifest gives the sha256 of {product.path}")
    return artefacts, products


def _manifest_digests(directory: Path) -> dict[str, str]:
    """The sha256 of each model file; manifests that share a file have to agree."""
    digests: dict[str, str] = {}
    for path in sorted(directory.glob("*.toml")):
        manifest = tomllib.loads(path.read_text(encoding="utf-8"))
        file, digest = f"models/{manifest['file']}", manifest["sha256"]
        if digests.setdefault(file, digest) != digest:
            raise ConversionError(f"{path} and another manifest differ on the sha256 of {file}")
    return digests


def _single(members: Mapping[str, bytes]) -> bytes:
    if len(members) != 1:
        raise ConversionError(f"expected one file, found {sorted(members)}")
    return next(iter(members.values()))


def _ending(members: Mapping[str, bytes], suffix: str) -> bytes:
    return _single({name: data for name, data in members.items() if name.endswith(suffix)})


def _copy(_product: Product, members: Mapping[str, bytes]) -> bytes:
    return _single(members)


def _labels(_product: Product, members: Mapping[str, bytes]) -> bytes:
    """One class name per line, from lines of "index name, synonym, ..."."""
    names = []
    for line in _single(members).decode("utf-8").splitlines():
        index, _, synonyms = line.partition(" ")
        if index != str(len(names)):
            raise ConversionError(f"line {len(names) + 1} is of class {index!r}")
        names.append(synonyms.split(",")[0].strip())
    wrong = [c for c, name in _ANCHORS.items() if c >= len(names) or names[c] != name]
    if len(names) != 1000 or wrong:
        raise ConversionError(f"{len(names)} names, not those of ILSVRC2012 (classes {wrong})")
    return "".join(f"{name}\n" for name in names).encode()


# The readers import numpy and onnx, which takes longer than all else when nothing is to do:
# each is imported when it is first used.


def _efficientnet_lite(product: Product, members: Mapping[str, bytes]) -> bytes:
    from .efficientnet_lite import convert_efficientnet_lite

    return convert_efficientnet_lite(_single(members), product.variant)


def _tflite(_product: Product, members: Mapping[str, bytes]) -> bytes:
    from .tflite_model import convert_tflite

    return convert_tflite(_single(members))


def _tfjs(_product: Product, members: Mapping[str, bytes]) -> bytes:
    from .tfjs_model import convert_tfjs

    return convert_tfjs(members)


def _paddle(_product: Product, members: Mapping[str, bytes]) -> bytes:
    from .paddle_model import convert_paddle

    return convert_paddle(_ending(members, ".pdmodel"), _ending(members, ".pdiparams"))


_MAKERS: dict[str, Callable[[Product, Mapping[str, bytes]], bytes]] = {
    "copy": _copy,
    "labels": _labels,
    "efficientnet-lite": _efficientnet_lite,
    "tflite": _tflite,
    "tfjs": _tfjs,
    "paddle": _paddle,
}
