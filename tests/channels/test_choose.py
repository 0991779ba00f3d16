"""The law that a regime asks for: borders, and that the sentence names what was taken."""

from __future__ import annotations

import numpy as np

from qphys.channels.choose import downlink_law, level_law, uplink_law
from qphys.channels.laws import BeamWanderMarcum, Beta, GammaGamma, LogNormal, Product, TotalProbability


def test_downlink_takes_the_law_of_its_worst_step():
    given = {"mean": [1e-3, 2e-3], "scintillation_index": [0.01, 0.05]}
    weak = downlink_law(**given, rytov_variance=[0.1, 1.0], aperture=1.0, fresnel_zone=0.1)
    assert isinstance(weak.law, LogNormal)
    assert weak.reason.startswith("downlink in weak fluctuations (Rytov variance up to 1.00): log-normal")
    np.testing.assert_allclose(weak.law.mean, given["mean"])
    np.testing.assert_allclose(weak.law.scintillation_index, given["scintillation_index"], rtol=1e-12)
    strong = downlink_law(**given, rytov_variance=[0.1, 1.01], aperture=1.0, fresnel_zone=0.1)
    assert isinstance(strong.law, Beta) and "beta" in strong.reason and "1.01" in strong.reason
    np.testing.assert_allclose(strong.law.scintillation_index, given["scintillation_index"])


def test_downlink_to_a_point_in_strong_fluctuations_is_gamma_gamma():
    given = {"mean": 1e-6, "scintillation_index": [0.5, 1.0], "rytov_variance": [1.0, 2.0], "aperture": 0.05}
    point = downlink_law(**given, fresnel_zone=0.1)
    assert isinstance(point.law, GammaGamma) and "gamma-gamma" in point.reason
    assert isinstance(downlink_law(**given, fresnel_zone=0.099).law, Beta)


def test_level_path_is_total_probability_in_weak_and_beta_in_strong_fluctuations():
    given = {"mean": [0.31, 0.30], "aperture_radius": 0.012, "wander": 0.0047}
    weak = level_law(**given, scintillation_index=[0.1, 0.12], rytov_variance=0.15)
    assert isinstance(weak.law, TotalProbability) and "total probability" in weak.reason and "0.15" in weak.reason
    np.testing.assert_allclose(weak.law.mean, given["mean"], rtol=1e-10)
    np.testing.assert_allclose(weak.law.scintillation_index, [0.1, 0.12], rtol=1e-8)
    # the short-term radius is that which, with the wander, leaves the mean
    np.testing.assert_allclose(
        weak.law.beam_radius**2 + 4 * 0.0047**2, -2 * 0.012**2 / np.log1p(-np.array([0.31, 0.30])), rtol=1e-12
    )
    strong = level_law(**given, scintillation_index=[0.1, 0.12], rytov_variance=[0.15, 2.9])
    assert isinstance(strong.law, Beta)
    bare = level_law(**given, scintillation_index=1e-3, rytov_variance=0.01)
    assert isinstance(bare.law, BeamWanderMarcum)
    np.testing.assert_allclose(bare.law.mean, given["mean"], rtol=1e-10)


def test_uplink_wanders_when_narrow_and_is_beta_when_wide():
    given = {"mean": 1e-4, "short_term_half_angle": 2e-5, "jitter": 4e-6, "fried_parameter": 0.09}
    narrow = uplink_law(**given, scintillation_index=[0.2, 0.3], launch_radius=0.02)
    assert isinstance(narrow.law, Product) and "uplink of a narrow beam" in narrow.reason
    np.testing.assert_allclose(narrow.law.mean, 1e-4, rtol=1e-12)
    np.testing.assert_allclose(narrow.law.scintillation_index, [0.2, 0.3], rtol=1e-10)
    wide = uplink_law(**given, scintillation_index=1.3, launch_radius=0.1)
    assert isinstance(wide.law, Beta) and "breaks up" in wide.reason
