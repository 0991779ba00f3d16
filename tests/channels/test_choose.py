"""The law that a regime asks for: borders, and that the sentence names what was taken."""

from __future__ import annotations

import numpy as np

from qphys.channels.choose import downlink_law
from qphys.channels.laws import Beta, GammaGamma, LogNormal


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
