"""Puts the ONNX Runtime library, models, labels and sample videos in place.

    python -m convert [--all] [--set NAME] [--without-samples] [--downloads DIR]

Run by scripts/setup.sh in a checkout, and by classifyd-setup where the package is installed. Whatever
is there with the right sha256 is left alone.
"""

import argparse
import os
import platform
import sys
import time
from pathlib import Path

from . import ConversionError
from .artefacts import Artefact, DownloadError, download, is_downloaded, read_members
from .products import Product, load_sources

ROOT = Path(__file__).resolve().parents[2]
DOWNLOADS = ROOT / ".setup" / "downloads"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m convert", description=__doc__.split("\n")[0])
    parser.add_argument("--all", action="store_true", help="the optional models too")
    parser.add_argument("--set", choices=["tests", "arm64"], help="what these commands need too")
    parser.add_argument("--without-samples", action="store_true", help="no sample videos")
    parser.add_argument("--downloads", type=Path, default=DOWNLOADS, help="where packages are kept")
    arguments = parser.parse_args()
    try:
        put_all_in_place(arguments)
    except (DownloadError, ConversionError, OSError) as error:
        print(f"\nset-up failed: {error}", file=sys.stderr)
        return 1
    except (KeyError, ValueError) as error:
        print(
            f"\nset-up failed: a manifest in models/ or convert/sources.toml is not as "
            f"models/README.md describes: {error}",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to go on", file=sys.stderr)
        return 130
    return 0


def put_all_in_place(arguments: argparse.Namespace) -> None:
    artefacts, products = load_sources(ROOT)
    machine = platform.machine()
    wanted = [
        product
        for product in products
        if product.machine in (None, machine)
        and product.set in (None, arguments.set)
        and (arguments.all or not product.optional)
        and not (arguments.without_samples and product.path.startswith("samples/"))
    ]
    missing = [product for product in wanted if not product.is_in_place(ROOT)]
    for name in dict.fromkeys(product.artefact for product in missing):
        fetch(artefacts[name], arguments.downloads)
        for product in missing:
            if product.artefact == name:
                make(product, arguments.downloads / artefacts[name].file)
    for product in wanted:
        if product.link:
            link(ROOT / product.link, Path(product.path).name)
    report(machine, wanted, missing)


def fetch(artefact: Artefact, downloads: Path) -> None:
    if is_downloaded(artefact, downloads):
        return
    step = Step(f"downloading {artefact}")
    download(artefact, downloads)
    step.done()


def make(product: Product, package: Path) -> None:
    step = Step(f"making {product.path}")
    content = product.content(read_members(package, product.member))
    product.put_in_place(ROOT, content)
    step.done(f"{len(content) / 1e6:.1f} MB")


def link(path: Path, target: str) -> None:
    """Points `path` at `target` beside it, unless the user has put something else there."""
    if path.is_symlink() and os.readlink(path) == target:
        return
    own = path.is_symlink() and os.readlink(path).startswith(f"{path.name}.")
    if os.path.lexists(path) and not own:
        print(f"    {path.relative_to(ROOT)} is not from this set-up: left as it is")
        return
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    partial.symlink_to(target)
    os.replace(partial, path)


def report(machine: str, wanted: list[Product], missing: list[Product]) -> None:
    models = sum(product.path.endswith(".onnx") for product in wanted)
    made = f"{len(missing)} files made" if missing else "nothing to do"
    print(f"    {len(wanted)} files in place, {models} of them models: {made}")
    if not any(product.link for product in wanted):
        print(
            f"    There is no ONNX Runtime library for {machine} here: build or fetch one and "
            "put it at lib/libonnxruntime.so."
        )


class Step:
    """A line of progress: what is done, then how long it took."""

    def __init__(self, what: str) -> None:
        self.start = time.monotonic()
        print(f"    {what} ... ", end="", flush=True)

    def done(self, note: str = "") -> None:
        seconds = f"{time.monotonic() - self.start:.1f} s"
        print(f"{note}, {seconds}" if note else seconds, flush=True)


if __name__ == "__main__":
    sys.exit(main())
