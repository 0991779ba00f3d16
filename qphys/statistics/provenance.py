"""Where a file comes from: versions, and a digest of the code that its content depends on."""

from __future__ import annotations

import hashlib
import json
import platform
import zlib
from importlib import metadata
from pathlib import Path
from typing import Final

from qphys.statistics import schema

AFTER_THE_WAIST: Final = (
    "_models",
    "keyrates",
    "comparison",
    "plots",
    "missions",
    "optimizer",
    "search.py",
    "__init__.py",
    "cli.py",
)
"""Rooms and files of qphys that read detection statistics, or nothing: they change no simulated number."""

LIBRARIES: Final = ("numpy", "scipy", "h5py", "skyfield", "sgp4", "pvlib", "pydantic")
"""Libraries whose version may change a result or the bytes of the file."""


def code_digest(core: str = "", *, folder: Path | None = None) -> str:
    """SHA-256 over the Python sources before the waist, the version of qphys and that of the file's schema.

    The same in a checkout, an editable install and a wheel: only files are read that all of them hold, by their path
    inside the package, with line ends as ``\\n``.

    Parameters
    ----------
    core : str, optional
        Digest of the C sources, as compiled into the extension.
    folder : path, optional
        Folder of the package; that of the running qphys by default.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    root = folder or Path(__file__).parent.parent
    total = hashlib.sha256(f"{_version('qphys')}\0{schema.VERSION}\0{core}\0".encode())
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*.py")}
    for name in sorted(files):
        if name.split("/")[0] not in AFTER_THE_WAIST:
            source = files[name].read_bytes().replace(b"\r\n", b"\n")
            total.update(f"{name}\0{hashlib.sha256(source).hexdigest()}\0".encode())
    return total.hexdigest()


def versions() -> dict[str, str]:
    """Attributes ``qphys_version`` and ``library_versions`` (JSON) of a file.

    Examples
    --------
    >>> sorted(versions())
    ['library_versions', 'qphys_version']
    """
    import h5py

    libraries = {name: _version(name) for name in LIBRARIES}
    libraries |= {
        "python": platform.python_version(),
        "hdf5": str(h5py.version.hdf5_version),
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
    }
    return {"qphys_version": _version("qphys"), "library_versions": json.dumps(dict(sorted(libraries.items())))}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"
