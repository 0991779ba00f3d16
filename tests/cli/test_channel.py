"""The command that describes a channel: what it prints is what the models give, in a picture and as JSON too."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import qphys
from qphys import budget
from qphys.channels.laws import LogNormal, Pointing, Product
from qphys.cli import main
from qphys.errors import UserError

ROOT = Path(__file__).parents[2]
OGS = ROOT / "runs" / "links" / "ogs.toml"


@pytest.fixture(scope="module")
def ogs():
    return qphys.channel(OGS)


def test_losses_by_term_add_up_to_the_total_and_are_those_of_the_run(ogs):
    np.testing.assert_allclose(ogs.loss_db.sum("term"), ogs.total_loss_db, atol=1e-9)
    np.testing.assert_allclose(ogs.total_loss_db, -10 * np.log10(ogs.mean_transmittance), rtol=1e-12)
    # Printed beam of Micius into 1 m: 22.0 dB at 1,200 km, and 20 lg(1200/500) less at 500 km.
    zenith = ogs.isel(time=-1)
    assert float(zenith.loss_db.sel(term="diffraction")) == pytest.approx(22.0 - 20 * np.log10(1200 / 500), abs=0.1)
    assert float(zenith.range) == pytest.approx(500e3)


def test_every_variable_has_a_unit_and_a_meaning(ogs):
    for name, variable in ogs.data_vars.items():
        assert variable.attrs.get("units"), name
        assert variable.attrs.get("long_name"), name


def test_quantiles_are_those_of_the_law():
    """Closed form: a log-normal has quantiles exp(mu + sigma z); a power law beta eta^(beta-1) has p^(1/beta)."""
    law = LogNormal([1e-3, 1e-4], [0.04, 0.5])
    found = budget.quantile(law, [0.1, 0.5])
    z = np.array([-1.2815515655446004, 0.0])
    expected = law.mean[:, None] * np.exp(-0.5 * law.log_variance[:, None] + np.sqrt(law.log_variance)[:, None] * z)
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    pointing = Pointing.rayleigh(5e-6, 1e-6)
    np.testing.assert_allclose(budget.quantile(pointing, [0.2])[0], [0.2 ** (1 / 6.25)], rtol=1e-6)


def test_fades_and_quantiles_tell_the_same_law(ogs):
    """Second route: where the cumulative probability passes that of a quantile. Between levels 0.2 dB apart: to 1 %."""
    for i in range(0, ogs.sizes["time"], 4):
        here = ogs.isel(time=i)
        level = 10 * np.log10(here.transmittance_quantile.values / float(here.mean_transmittance))
        below = np.exp(np.interp(level, here.relative_db.values, np.log(here.cumulative_probability.values + 1e-300)))
        np.testing.assert_allclose(below[:5], here.probability.values[:5], rtol=0.01)
        three = np.interp(-3.0, here.relative_db.values, here.cumulative_probability.values)
        assert float(here.fade_probability.sel(fade_db=3.0)) == pytest.approx(three, rel=1e-6)


def test_the_fading_series_has_the_law_and_the_correlation_that_it_tells():
    """Kolmogorov-Smirnov on values two correlation times apart, and the autocorrelation of the logarithm, exp(-t / tau)."""
    from scipy.stats import kstest

    law = Product(LogNormal(1e-2, 0.1), Pointing.rayleigh(5e-6, 1e-6))
    time, series = drawn(law, seed=3)
    assert np.diff(time).max() == pytest.approx(5e-3 / 8)
    assert kstest(series[::32], lambda x: law.cumulative(np.asarray(x))[0]).pvalue > 0.01
    assert series.mean() == pytest.approx(law.mean[0], rel=0.02)
    _, series = drawn(LogNormal(1e-2, 0.1), seed=4)
    log = np.log(series) - np.log(series).mean()
    found = [float(np.mean(log[:-lag] * log[lag:]) / np.mean(log**2)) for lag in (4, 8, 16)]
    np.testing.assert_allclose(found, np.exp([-0.5, -1.0, -2.0]), atol=0.05)


def drawn(law, seed):
    below = law.cumulative(law.mean[:, None] * 10 ** (0.1 * budget.RELATIVE_DB))[0]
    return budget.fading_series(below, float(law.mean[0]), correlation_time=5e-3, seed=seed, number=64_007)


def test_series_is_the_same_for_the_same_seed():
    first, again, other = (qphys.channel(OGS, seed=seed).series.values for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_command_prints_tables_and_notes_and_draws(tmp_path, capsys):
    shutil.copy(OGS, tmp_path / "ogs.toml")
    assert main(["channel", str(tmp_path / "ogs.toml")]) == 0
    told = capsys.readouterr()
    for word in ("diffraction", "pointing", "atmosphere", "total", "r0", "isoplanatic", "P(fade > 3 dB)", "sky photons"):
        assert word in told.out
    for word in ("validity", "law of the transmittance: log-normal", "correlation time", "picture"):
        assert word in told.err
    assert (tmp_path / "out" / "ogs-channel.png").stat().st_size > 10_000


def test_json_holds_the_same_tables(capsys):
    assert main(["channel", str(OGS), "--json", "--no-plot", "--quiet"]) == 0
    told = json.loads(capsys.readouterr().out)
    losses = told["Mean loss by term [dB]"]
    assert len(losses) == 9
    row = losses[-1]
    assert sum(v for k, v in row.items() if k not in ("elevation [deg]", "range [km]", "total")) == pytest.approx(
        row["total"]
    )


def test_set_and_case_and_arm_choose(tmp_path, capsys):
    base = qphys.channel(OGS)
    more = qphys.channel(OGS, overrides={"channel.extra_loss_db": 3.0})
    np.testing.assert_allclose(more.total_loss_db - base.total_loss_db, 3.0, atol=1e-9)
    np.testing.assert_allclose(more.transmittance_quantile / base.transmittance_quantile, 10**-0.3, rtol=1e-6)
    clear, most = (
        qphys.channel(ROOT / "runs" / "micius-2017.toml", case=case) for case in ("prediction-clear", "prediction-most")
    )
    assert float(most.total_loss_db.min()) > float(clear.total_loss_db.min())
    assert clear.sizes["time"] <= budget.MOST_STEPS
    bob = qphys.channel(ROOT / "runs" / "micius-2020-bbm92.toml", arm="bob")
    assert bob.attrs["arm"] == "bob"


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("micius-2020-bbm92.toml", {}, "two arms; say which: --arm alice or --arm bob"),
        ("micius-2020-bbm92.toml", {"arm": "bbo"}, "--arm bbo: unknown; did you mean 'bob'?"),
        ("fixed-loss.toml", {"arm": "bob"}, "one arm without a name"),
        ("links/ogs.toml", {"case": "x"}, "case = 'x': a case belongs to an experiment"),
        ("links/ogs.toml", {"overrides": {"chanel.x": 1}}, "did you mean 'channel'?"),
    ],
)
def test_wrong_choices_are_told(name, arguments, message):
    with pytest.raises(UserError, match=None) as told:
        qphys.channel(ROOT / "runs" / name, **arguments)
    assert message in str(told.value)


def test_channel_without_fading_is_described(tmp_path):
    told = qphys.channel(ROOT / "runs" / "fixed-loss.toml")
    assert "transmittance_quantile" not in told
    assert told.attrs["law"].startswith("none")
    from qphys import plots

    assert plots.draw_channel(told, tmp_path / "still.png").exists()


def test_the_page_about_the_command_runs(tmp_path, monkeypatch):
    """The file of a link and the lines of Python that the page shows."""
    page = (ROOT / "docs" / "start" / "channel-command.md").read_text()
    (link,) = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    (tmp_path / "link.toml").write_text(link)
    told = qphys.channel(tmp_path / "link.toml")
    assert told.sizes["time"] == 5
    assert {"greenwood_frequency", "coherence_time", "tilt_frequency", "isoplanatic_angle"} <= set(told.data_vars)
    # Published table, HV with a weak ground: 9.91 cm at 500 nm and zenith; r0 grows as the 6/5 power of the wavelength.
    assert float(told.fried_parameter[-1]) == pytest.approx(0.0991 * (785 / 500) ** 1.2, rel=1e-3)
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.chdir(ROOT)
    exec(compile(code, "channel-command.md", "exec"), {})


@pytest.mark.parametrize("name", ["beta", "gamma-gamma"])
def test_another_law_keeps_the_mean(name):
    """The law is a choice of shape: the losses by term stay, and beta keeps the index too."""
    less = {"orbit.elevation_deg": [40.0, 90.0], "terminal.pointing_jitter_urad": 0.0}
    base = qphys.channel(OGS, overrides=less)
    other = qphys.channel(OGS, overrides=less | {"channel.distribution": name})
    np.testing.assert_allclose(other.total_loss_db, base.total_loss_db, atol=1e-9)
    assert name in other.attrs["law"]
    if name == "beta":
        np.testing.assert_allclose(other.scintillation_index, base.scintillation_index, rtol=1e-6)
