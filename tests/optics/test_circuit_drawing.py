"""Drawings of circuits: complete, legible, nothing laid over anything else."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import combinations

import numpy as np
import pytest

from qphys.optics import drawing, layouts
from qphys.optics.circuit import Circuit, NumberState, Phase, Squeezer, ThermalBackground

SVG = "{http://www.w3.org/2000/svg}"
CIRCUITS = [
    layouts.analysed(layouts.type_0(0.02, phase=0.3, overlap=0.9), angles=(0.3, -0.5), dark_probabilities=(1e-6,) * 4),
    layouts.analysed(layouts.sagnac(0.02, phase=np.pi, leak_fraction=0.01), angles=(0.3, -0.5), transmittances=(0.1, 0.01)),
    layouts.analysed(layouts.beam_displacement(0.02, phase=0.3, overlap=0.9), angles=(0.3, -0.5)),
    layouts.hong_ou_mandel(overlap=0.9),
    layouts.type_ii(0.02, phase=np.linspace(0, 1, 5)).then(
        ThermalBackground("idler", mean_photon_number=1e-5, transmittance=0.5)
    ),
]


@pytest.mark.parametrize("circuit", CIRCUITS, ids=lambda c: c.name)
def test_text_names_every_arm_and_element(circuit: Circuit) -> None:
    """Oracle: the circuit's own list."""
    drawn = drawing.text(circuit)
    for element in circuit.elements:
        assert element.label().name in drawn
        for arm in element.arms:
            assert sum(line.startswith(f"{arm} ") for line in drawn.splitlines()) == 1
    assert drawn == str(circuit)


@pytest.mark.parametrize("circuit", CIRCUITS, ids=lambda c: c.name)
def test_boxes_of_the_picture_do_not_overlap_and_hold_their_words(circuit: Circuit) -> None:
    """Oracle: geometry; a letter is as wide as the drawing assumes."""
    root = ElementTree.fromstring(circuit.svg())
    whole, *boxes = [tuple(float(r.get(k, "0")) for k in ("x", "y", "width", "height")) for r in root.iter(f"{SVG}rect")]
    for (x, y, w, h), (u, v, p, q) in combinations(boxes, 2):
        assert x + w <= u or u + p <= x or y + h <= v or v + q <= y
    for words in root.iter(f"{SVG}text"):
        x, y, length = float(words.get("x", "0")), float(words.get("y", "0")), len(words.text or "") * drawing.CHARACTER
        assert x + length <= whole[2]
        for bx, by, bw, bh in boxes:
            if bx <= x < bx + bw and by <= y < by + bh:
                assert x + length <= bx + bw


def test_text_of_a_small_circuit_is_as_it_was() -> None:
    """Oracle: the picture, looked at."""
    circuit = Circuit([Squeezer("a.H", squeezing=0.25), NumberState("b.V", number=1), Phase("b", phase=np.pi / 3)])
    assert str(circuit).splitlines() == [
        "  ┌────────┐",
        "a │ S1 H   ├─",
        "  │ r 0.25 │",
        "  └────────┘",
        "  ┌────────┐   ┌───────┐",
        "b │ |1⟩ V  ├───┤ phase ├─",
        "  │        │   │ 60°   │",
        "  └────────┘   └───────┘",
    ]


def test_notebooks_show_the_picture() -> None:
    """Oracle: the hook of IPython."""
    assert CIRCUITS[0]._repr_svg_() == CIRCUITS[0].svg()
