"""Philox4x64-10. Oracles: Random123's known answers, and numpy.random.Philox bit for bit."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from qphys import core
from qphys.core import reference_sampling

#: Random123, tests/kat_vectors, philox4x64 10: counter, key, answer.
KNOWN_ANSWERS = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B),
    ),
    (
        (2**64 - 1,) * 4,
        (2**64 - 1,) * 2,
        (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0),
    ),
    (
        (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89),
        (0x452821E638D01377, 0xBE5466CF34E90C6C),
        (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
    ),
]


@pytest.mark.parametrize("level", core.instruction_sets())
@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_philox_gives_the_known_answers(
    level: str, counter: tuple[int, ...], key: tuple[int, ...], answer: tuple[int, ...]
) -> None:
    words = core.kernels(level)["philox"](np.array(counter, np.uint64), np.array(key, np.uint64))
    assert tuple(words.tolist()) == answer


@pytest.mark.parametrize("address", [(0, 0, 0, 0), (7, 11, 272, 3), (2**64 - 1, 2**63 + 5, 2**40, 1)])
def test_uniforms_are_those_of_numpy_bit_for_bit(address: tuple[int, int, int, int]) -> None:
    seed, stream, realisation, step = address
    blocks = 1009
    counter = np.zeros((blocks, 4), np.uint64)
    counter[:, 0] = np.arange(1, blocks + 1)
    counter[:, 1:] = realisation, step, 2
    words = core.KERNELS["philox"](counter, np.array([seed, stream], np.uint64)).ravel()
    numpy = np.random.Philox(key=np.array([seed, stream], np.uint64), counter=np.array([0, realisation, step, 2], np.uint64))
    np.testing.assert_array_equal((words >> np.uint64(11)) * 2.0**-53, np.random.Generator(numpy).random(4 * blocks))


def test_twin_agrees_at_ragged_counters_and_keys() -> None:
    rng = np.random.default_rng(3)
    counter = rng.integers(0, 2**64, (101, 4), dtype=np.uint64)
    counter[::7, 0] = 0
    key = rng.integers(0, 2**64, (101, 2), dtype=np.uint64)
    np.testing.assert_array_equal(core.KERNELS["philox"](counter, key), reference_sampling.philox(counter, key))


def test_purposes_are_distinct_and_those_of_the_twin() -> None:
    header = (Path(__file__).parents[2] / "qphys" / "core" / "philox.h").read_text()
    purposes = {name: int(code) for name, code in re.findall(r"PHILOX_(FADING|SETTINGS|OUTCOMES|DRAWS) = (\d+)", header)}
    assert purposes == {name: getattr(reference_sampling, name) for name in ("FADING", "SETTINGS", "OUTCOMES", "DRAWS")}
    assert len(set(purposes.values())) == len(purposes) == 4
