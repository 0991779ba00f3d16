"""Models of receivers, detectors and sources that come with qphys."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from qphys import detectors, sources
from qphys.catalogue import Catalogue, own_folder
from qphys.record import parse
from qphys.stages import DensityPairEmission

FILES = sorted(p for room in ("sources", "receivers", "detectors") for p in (own_folder() / room).glob("*.toml"))
TAGS = ("published:", "published (transcribed", "digitised:", "derived:", "assumed:")


def values(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value, with its origin."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            if key != "origin":
                yield from values(value, f"{path}{key}.")
        elif key not in ("title", "kind", "detector") or (key == "kind" and "kind" in table.get("origin", {})):
            yield path + key, table.get("origin", {}).get(key, "")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_value_of_a_model_tells_its_origin(path: Any) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    for key, origin in values(tomllib.loads(text)):
        assert origin.startswith(TAGS), f"{path.name}: {key} has the origin {origin!r}"


@pytest.mark.parametrize("name", Catalogue().names("sources"))
def test_models_of_sources_emit(name: str) -> None:
    table = Catalogue().read("sources", name)
    emission = parse(sources.KINDS[table["kind"]], table, name).emission()  # type: ignore[attr-defined]
    light = emission.state if isinstance(emission, DensityPairEmission) else emission.amplitude
    assert np.isfinite(light).all()


@pytest.mark.parametrize("name", Catalogue().names("detectors"))
def test_models_of_detectors_fit_a_receiver(name: str) -> None:
    table = Catalogue().resolve({"detector": name}, "test")["detector"]
    detector = parse(detectors.Detector, table, name)
    assert all(length == 1 for length in detector.lengths().values())


def test_micius_receiver_has_its_published_numbers() -> None:
    """Oracle: Liao et al. 2017: 16 %, 280:1, 2 ns, 50 %, 25 /s, 350 ps."""
    table = Catalogue().read("receivers", "micius-xinglong")
    receiver = parse(detectors.PolarizationAnalyser, table, "micius-xinglong")
    analyser = receiver.analyser(100e6)
    assert receiver.si.optics_transmittance == 0.16
    assert analyser.gate == pytest.approx(2e-9)
    np.testing.assert_allclose(analyser.efficiency, 0.5)
    np.testing.assert_allclose(analyser.dark_rate, 25.0)
    assert np.all(analyser.gate_fraction > 0.9999)
    seen = np.abs(analyser.amplitude[0, :2, 0, 0]) ** 2
    assert seen[0] / seen[1] == pytest.approx(280.0, rel=1e-12)
