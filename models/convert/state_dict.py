"""Reads a PyTorch `state_dict` (.pth) without PyTorch, and without running foreign code.

A .pth file is a pickle, that is, a program: loading one can call any function. This reader
lets a pickle name exactly the classes that a state dict is made of and refuses all others.
Both containers are read: the older stream of pickles (until PyTorch 1.5) and the zip
archive (since 1.6).
"""

import collections
import io
import pickle
import struct
import zipfile
from dataclasses import dataclass

import numpy as np

from . import ConversionError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_STORAGE_TYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}


def read_state_dict(data: bytes) -> dict[str, np.ndarray]:
    """The named arrays of a .pth file, in the file's order."""
    try:
        root, storages = _read_zip(data) if data[:4] == b"PK\x03\x04" else _read_stream(data)
    except ConversionError:
        raise
    except (
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        struct.error,
        # what `pickle` raises at a damaged program
        EOFError, IndexError, KeyError, TypeError, ValueError, AttributeError,
    ) as error:
        raise ConversionError(f"not a readable .pth file: {error}") from error
    if not isinstance(root, dict):
        raise ConversionError(f"the .pth file holds a {type(root).__name__}, not a state dict")
    return {name: _array(name, value, storages) for name, value in root.items()}


@dataclass(frozen=True)
class _Storage:
    """A flat array of the file, known by key until its bytes have been read."""

    key: str
    dtype: np.dtype
    count: int


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """Knows the classes of a state dict and nothing else."""

    def __init__(self, file) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _STORAGE_TYPES:
            return _STORAGE_TYPES[name]
        raise ConversionError(f"refused: the .pth file asks for {module}.{name}")

    def persistent_load(self, pid):
        kind, dtype, key, _device, count, *view = pid
        if kind != "storage" or any(part is not None for part in view):
            raise ConversionError(f"the .pth file refers to an unknown object {pid!r}")
        return self.storages.setdefault(key, _Storage(key, dtype, count))


def _rebuild_tensor(storage, offset, shape, strides, *_gradients) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise ConversionError("the .pth file builds a tensor from something else than a storage")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _read_stream(data: bytes):
    """Magic, protocol and system pickles; the state dict; the keys; then the storages' bytes."""
    file = io.BytesIO(data)
    magic, protocol = _Unpickler(file).load(), _Unpickler(file).load()
    if magic != _MAGIC or protocol != _PROTOCOL:
        raise ConversionError("not a .pth file: the magic number is missing")
    system = _Unpickler(file).load()
    if not system.get("little_endian", False):
        raise ConversionError("the .pth file is not little-endian")
    unpickler = _Unpickler(file)
    root = unpickler.load()
    keys = _Unpickler(file).load()
    storages = {}
    for key in keys:
        storage = unpickler.storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        storages[key] = _storage_array(storage, count, file.read(count * storage.dtype.itemsize))
    if file.read(1):
        raise ConversionError("the .pth file goes on after its last storage")
    return root, storages


def _read_zip(data: bytes):
    """`<top>/data.pkl` is the state dict, `<top>/data/<key>` are the storages."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ConversionError("the .pth archive does not hold one data.pkl")
        top = pickles[0].removesuffix("data.pkl")
        if f"{top}byteorder" in archive.namelist() and archive.read(f"{top}byteorder") != b"little":
            raise ConversionError("the .pth file is not little-endian")
        unpickler = _Unpickler(io.BytesIO(archive.read(pickles[0])))
        root = unpickler.load()
        storages = {
            key: _storage_array(storage, storage.count, archive.read(f"{top}data/{key}"))
            for key, storage in unpickler.storages.items()
        }
    return root, storages


def _storage_array(storage: _Storage, count: int, content: bytes) -> np.ndarray:
    if count != storage.count or len(content) != count * storage.dtype.itemsize:
        raise ConversionError(
            f"storage {storage.key!r} has {len(content)} bytes, expected {storage.count} numbers"
        )
    return np.frombuffer(content, storage.dtype)


def _array(name, tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    if not isinstance(name, str) or not isinstance(tensor, _Tensor):
        raise ConversionError(f"entry {name!r} of the .pth file is not a tensor")
    storage = storages[tensor.storage.key]
    if len(tensor.strides) != len(tensor.shape) or min(tensor.strides, default=0) < 0:
        raise ConversionError(f"tensor {name!r} has strides {tensor.strides}")
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides))
    if min(tensor.shape, default=1) < 1 or not 0 <= tensor.offset < len(storage) - reach:
        raise ConversionError(f"tensor {name!r} reaches outside its storage")
    steps = [stride * storage.itemsize for stride in tensor.strides]
    view = np.lib.stride_tricks.as_strided(storage[tensor.offset:], tensor.shape, steps)
    return np.ascontiguousarray(view).reshape(tensor.shape)
