"""Circuits and normal-ordered moments against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from qphys.errors import UserError
from qphys.optics import gaussian
from qphys.optics.circuit import (
    Analyser,
    BeamSplitter,
    Circuit,
    Displacement,
    HalfWavePlate,
    Loss,
    Mode,
    ModeMismatch,
    NumberResolvingDetector,
    NumberState,
    Phase,
    PolarizingBeamSplitter,
    QuarterWavePlate,
    Rotation,
    Squeezer,
    ThermalBackground,
    ThresholdDetector,
    TwoModeSqueezer,
    mode,
)

PAIR = TwoModeSqueezer("signal.H", "idler.H", squeezing=0.3, phase=0.4)


def test_two_mode_squeezer_has_the_moments_of_the_textbook() -> None:
    """Oracle: <a'a> = sinh^2 r, <ab> = e^(i phi) sinh r cosh r."""
    number, anomalous, mean = Circuit([PAIR]).gaussian()
    np.testing.assert_allclose(number, np.sinh(0.3) ** 2 * np.eye(2), rtol=1e-15)
    np.testing.assert_allclose(anomalous[0, 1], np.exp(0.4j) * np.sinh(0.3) * np.cosh(0.3), rtol=1e-15)
    assert anomalous[0, 0] == 0 and not mean.any()


def test_single_mode_squeezer_has_the_moments_of_the_textbook() -> None:
    """Oracle: <a'a> = sinh^2 r, <aa> = e^(i phi) sinh r cosh r."""
    number, anomalous, _ = Circuit([Squeezer("a.V", squeezing=0.3, phase=-1.1)]).gaussian()
    np.testing.assert_allclose(number[0, 0], np.sinh(0.3) ** 2, rtol=1e-15)
    np.testing.assert_allclose(anomalous[0, 0], np.exp(-1.1j) * np.sinh(0.3) * np.cosh(0.3), rtol=1e-15)


def test_two_squeezers_in_a_row_add_their_amounts() -> None:
    """Oracle: S(r) S(s) = S(r + s) at equal phase; the second sees light, so that all terms of the update count."""
    twice = Circuit([PAIR, TwoModeSqueezer("signal.H", "idler.H", squeezing=0.5, phase=0.4)]).gaussian()
    once = Circuit([TwoModeSqueezer("signal.H", "idler.H", squeezing=0.8, phase=0.4)]).gaussian()
    np.testing.assert_allclose(twice.number, once.number, rtol=1e-14)
    np.testing.assert_allclose(twice.anomalous, once.anomalous, rtol=1e-14, atol=1e-16)


def test_squeezing_of_coherent_light_is_an_amplifier() -> None:
    """Oracle: alpha -> alpha cosh r + conj(alpha) e^(i phi) sinh r."""
    light = Circuit([Displacement("a.H", amplitude=0.3 + 0.7j), Squeezer("a.H", squeezing=0.3, phase=0.4)]).gaussian()
    expected = (0.3 + 0.7j) * np.cosh(0.3) + (0.3 - 0.7j) * np.exp(0.4j) * np.sinh(0.3)
    np.testing.assert_allclose(light.mean, [expected], rtol=1e-15)


def test_faint_light_keeps_its_digits() -> None:
    """Oracle: 1e-20 photons a mode, where a covariance of quadratures would hold exactly 1."""
    light = Circuit([PAIR, Loss("signal", transmittance=1e-19), Loss("idler", transmittance=1e-19)])
    number, anomalous, _ = light.gaussian()
    np.testing.assert_allclose(number[0, 0].real, 1e-19 * np.sinh(0.3) ** 2, rtol=1e-15)
    np.testing.assert_allclose(abs(anomalous[0, 1]), 1e-19 * np.sinh(0.3) * np.cosh(0.3), rtol=1e-15)
    assert gaussian.covariance(light.gaussian())[1][0, 0] == 1.0


def test_thermal_background_adds_its_photons_to_what_passes() -> None:
    """Oracle: N -> T N + n, in both polarizations, dark ones too."""
    light = Circuit([PAIR, ThermalBackground("signal", mean_photon_number=0.02, transmittance=0.25)])
    number, anomalous, _ = light.gaussian()
    signal = [light.modes.index(mode(f"signal.{p}")) for p in "HV"]
    np.testing.assert_allclose(number[signal, signal].real, [0.25 * np.sinh(0.3) ** 2 + 0.02, 0.02], rtol=1e-15)
    np.testing.assert_allclose(abs(anomalous[0, 1]), 0.5 * np.sinh(0.3) * np.cosh(0.3), rtol=1e-15)


def amplitudes(*elements: object, start: str = "a.H") -> dict[str, complex]:
    """Coherent amplitudes behind elements, for one photon in."""
    light = Circuit([Displacement(start, amplitude=1.0), *elements])
    return {str(m): a for m, a in zip(light.modes, light.gaussian().mean.tolist(), strict=True)}


def test_half_wave_plate_at_22_5_degrees_makes_diagonal_light() -> None:
    """Oracle: Malus; half of the power in each polarization, in phase."""
    out = amplitudes(HalfWavePlate("a", angle=np.pi / 8))
    assert abs(out["a.H"]) ** 2 == pytest.approx(0.5) and out["a.V"] / out["a.H"] == pytest.approx(1.0)


def test_quarter_wave_plate_at_45_degrees_makes_circular_light() -> None:
    """Oracle: equal powers, a quarter of a wave apart."""
    out = amplitudes(QuarterWavePlate("a", angle=np.pi / 4))
    assert abs(out["a.V"] / out["a.H"]) == pytest.approx(1.0) and (out["a.V"] / out["a.H"]).real == pytest.approx(0.0)


def test_analyser_sends_light_along_its_angle_to_h() -> None:
    """Oracle: a rotation by the same angle before it."""
    out = amplitudes(Rotation("a", angle=0.37), Analyser("a", angle=0.37))
    assert out["a.H"] == pytest.approx(1.0) and out["a.V"] == pytest.approx(0.0)


def test_polarizing_beam_splitter_sends_v_to_the_other_arm() -> None:
    """Oracle: H passes, V is reflected; a leak takes its part of the power."""
    assert abs(amplitudes(PolarizingBeamSplitter("a", "b"))["a.H"]) == pytest.approx(1.0)
    assert abs(amplitudes(PolarizingBeamSplitter("a", "b"), start="a.V")["b.V"]) == pytest.approx(1.0)
    leaking = amplitudes(PolarizingBeamSplitter("a", "b", leak_fraction=0.01))
    assert abs(leaking["b.H"]) ** 2 == pytest.approx(0.01)


def test_beam_splitter_keeps_internal_modes_apart() -> None:
    """Oracle: Mach-Zehnder of visibility v: what a mismatch takes out of one arm does not interfere."""
    interferometer = [
        BeamSplitter("a", "b"),
        ModeMismatch("b", overlap=0.81),
        Phase("b", phase=np.pi),
        BeamSplitter("a", "b"),
    ]
    out = amplitudes(*interferometer)
    bright = abs(out["a.H"]) ** 2 + abs(out["a.H.1"]) ** 2
    assert bright == pytest.approx((1 + np.sqrt(0.81)) / 2)


def test_parameters_may_be_arrays_and_make_a_batch() -> None:
    """Oracle: the same circuits one by one."""
    angles, squeezing = np.linspace(0.0, 1.0, 7), np.linspace(0.01, 0.3, 3)[:, np.newaxis]

    def made(r: object, angle: object) -> Circuit:
        source = Circuit(
            [TwoModeSqueezer("s.H", "i.V", squeezing=r), Loss("s", transmittance=0.3), Analyser("s", angle=angle)]
        )
        return source.then(
            ThresholdDetector("s", "H", efficiency=0.5), ThresholdDetector("s", "V"), ThresholdDetector("i", "V")
        )

    batch = made(squeezing, angles).statistics(schmidt_modes=3.0)
    assert batch.shape == (3, 7, 2, 2, 2)
    single = made(float(squeezing[2, 0]), float(angles[5])).statistics(schmidt_modes=3.0)
    np.testing.assert_allclose(batch[2, 5], single, rtol=1e-14)


def test_probabilities_of_all_patterns_sum_to_one_with_dark_counts() -> None:
    """Oracle: normalisation, in a batch of dark probabilities."""
    source = Circuit([PAIR]).then(
        ThresholdDetector("signal", dark_probability=np.array([0.0, 0.1, 1.0])), ThresholdDetector("idler", efficiency=0.3)
    )
    probability = source.statistics()
    np.testing.assert_allclose(probability.sum((-1, -2)), 1.0, rtol=1e-14)
    np.testing.assert_allclose(probability[2, 0], 0.0, atol=1e-16)


def test_a_detector_of_both_polarizations_clicks_for_either() -> None:
    """Oracle: thermal light of two modes is silent with 1/((1 + n)(1 + m))."""
    source = Circuit([PAIR, TwoModeSqueezer("signal.V", "idler.V", squeezing=0.5)]).then(ThresholdDetector("signal"))
    silent = 1.0 / (np.cosh(0.3) ** 2 * np.cosh(0.5) ** 2)
    np.testing.assert_allclose(source.statistics(), [silent, 1.0 - silent], rtol=1e-14)


def test_circuits_are_values() -> None:
    """Oracle: equality by content; an element is replaced, the old circuit stays."""
    first = Circuit([PAIR, Loss("signal", transmittance=np.array([0.1, 0.2]))])
    assert first == Circuit([PAIR, Loss("signal", transmittance=[0.1, 0.2])])
    brighter = first.replace(PAIR, TwoModeSqueezer("signal.H", "idler.H", squeezing=0.9))
    assert brighter != first and first.elements[0] == PAIR
    with pytest.raises(AttributeError):
        first.name = "other"  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        first.elements[1].transmittance[0] = 1.0  # type: ignore[attr-defined]


def test_weak_pairs_have_the_state_of_their_squeezers() -> None:
    """Oracle: amplitudes sinh r cosh r of the two terms, with the phase."""
    source = Circuit(
        [TwoModeSqueezer("s.H", "i.V", squeezing=0.02), TwoModeSqueezer("s.V", "i.H", squeezing=0.03, phase=0.7)]
    )
    state, number = source.pair_state("s", "i")
    vector = np.array([0.0, np.sinh(0.04), np.exp(0.7j) * np.sinh(0.06), 0.0]) / 2.0
    np.testing.assert_allclose(state * number, np.outer(vector, vector.conj()), atol=1e-17)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Circuit([PAIR, Loss("signl", transmittance=0.5)]), "did you mean 'signal'"),
        (lambda: Circuit([PAIR, BeamSplitter("signal", "signal")]), "two arms"),
        (lambda: Circuit([TwoModeSqueezer("signal", "idler.H", squeezing=0.1)]), "'arm.H'"),
        (lambda: TwoModeSqueezer("a.H", "a.H", squeezing=0.1), "two modes"),
        (lambda: Loss("signal", transmittance=1.2), "outside of 0 to 1"),
        (lambda: Loss("signal", transmittance=float("nan")), "outside of 0 to 1"),
        (lambda: ThermalBackground("a", mean_photon_number=0.1, transmittance=1.0), "outside"),
        (lambda: ThresholdDetector("signal", "D"), "'H' or 'V'"),
        (lambda: NumberState("a.H", number=1.5), "whole"),
        (lambda: Circuit([PAIR, NumberState("signal.H", number=1)]), "holds light already"),
        (lambda: Circuit([PAIR, ModeMismatch("signal", overlap=0.9), ModeMismatch("signal", overlap=0.9)]), "internal"),
        (lambda: Circuit([PAIR, ThresholdDetector("signal"), ThresholdDetector("signal", "H")]), "detected already"),
        (lambda: Circuit([PAIR, ThresholdDetector("signal"), Loss("signal", transmittance=0.5)]), "detected already"),
        (lambda: Circuit([PAIR]).detected_moments(), "no detector"),
        (lambda: Circuit([PAIR]).replace(Loss("idler", transmittance=0.1), PAIR), "no element"),
        (lambda: Circuit([PAIR]).pair_state("signal", "other"), "no pairs"),
        (lambda: Circuit([NumberState("a.H", number=1), ThresholdDetector("a")]).statistics(), "'fock'"),
        (lambda: Circuit([NumberState("a.H", number=1), ThresholdDetector("a")]).statistics("gaussian"), "'fock'"),
        (lambda: Circuit([PAIR, NumberResolvingDetector("signal")]).statistics(), "'fock'"),
        (lambda: Circuit([PAIR, ThresholdDetector("signal")]).statistics("gausian"), "did you mean 'gaussian'"),
        (lambda: Circuit([PAIR, ThresholdDetector("signal")]).statistics("fock"), "cutoff"),
        (lambda: Circuit([PAIR, ThresholdDetector("signal")]).statistics("kernel", cutoff=4), "cutoff"),
        (lambda: Circuit([PAIR, ThresholdDetector("signal")]).statistics("fock", cutoff=20_000), "amplitudes"),
        (lambda: Circuit([PAIR, ThresholdDetector("signal")]).statistics("gaussian", schmidt_modes=2), "one copy"),
        (lambda: Circuit([PAIR, Analyser("signal", angle=[0.1, 0.2])]).then(ThresholdDetector("signal")).statistics("gaussian"),  # noqa: E501
         "one circuit at a time"),
        (lambda: Circuit([Squeezer(f"a.H.{k}", squeezing=0.1) for k in range(9)]).then(ThresholdDetector("a")).statistics(),
         "8 detected modes"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(make: object, message: str) -> None:
    """Oracle: the wording that helps."""
    with pytest.raises(UserError, match=message) as error:
        make()  # type: ignore[operator]
    assert "\n" not in str(error.value)


def test_names_of_modes_are_read_and_written_alike() -> None:
    """Oracle: the round trip."""
    for name in ("signal.H", "second idler.V.3"):
        assert str(mode(name)) == name
    assert mode("a.V") == Mode("a", "V", 0) == mode(Mode("a", "V"))
