import numpy as np

STATUS: list[tuple[int, str]]
SOURCE_DIGEST: str

def levels() -> tuple[str, ...]: ...
def kernels(level: str, /) -> dict[str, np.ufunc]: ...
