"""Named arrays of a network, each of which the graph has to use."""

from typing import Mapping, Sequence

import numpy as np

from . import ConversionError


class Weights:
    """Hands out arrays by name, checks their shapes, and knows which were never asked for."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self._arrays = dict(arrays)
        self._unread = set(self._arrays)

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def take(self, name: str, shape: Sequence[int] | None = None) -> np.ndarray:
        """The float32 array `name`; `shape` is what the graph needs it to be."""
        if name not in self._arrays:
            raise ConversionError(f"weight {name!r} is missing")
        array = self._arrays[name]
        if shape is not None and array.shape != tuple(shape):
            raise ConversionError(
                f"weight {name!r} has shape {list(array.shape)}, the graph needs {list(shape)}"
            )
        if array.dtype != np.float32:
            raise ConversionError(f"weight {name!r} has type {array.dtype}, not float32")
        if not np.isfinite(array).all():
            raise ConversionError(f"weight {name!r} holds numbers that are not finite")
        self._unread.discard(name)
        return array

    def finish(self) -> None:
        """Raises if a weight was left over: the graph is then not the network of the file."""
        if self._unread:
            names = ", ".join(sorted(self._unread)[:5])
            raise ConversionError(f"{len(self._unread)} weights were not used: {names}")
