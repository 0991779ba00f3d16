"""What every kind of channel shares: sky light, a fixed further loss, and how nodes become a Transmittance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from qphys.channels.background import single_mode_sky_photon_rate, sky_photon_rate
from qphys.channels.fading import MAXIMUM_NODES, fading_rule
from qphys.channels.laws import Law, LogNormal, Pointing, Product, Scaled
from qphys.channels.polarization import Polarization, polarized
from qphys.channels.sky import Sky
from qphys.errors import UserError
from qphys.record import Record
from qphys.stages import Files, Floats, Sight, Transmittance


class Link(Record):
    """Keys that every kind of channel has."""

    sends: ClassVar[Literal["terminal", "station"]] = "terminal"
    """Who sends; the other receives."""

    extra_loss_db: Annotated[float, Field(ge=0)] = 0.0
    """Loss that no other term tells; it belongs to none of `stages.LOSS_TERMS`."""
    background_rate_hz: Annotated[float, Field(ge=0)] | None = None
    """Photons of sky light a second at the analyser's entrance, both polarizations together."""
    sky_radiance_w_per_m2_um_sr: Annotated[float, Field(ge=0)] | None = None
    """Spectral radiance of the sky, from which the background follows through the receiver's telescope and filter."""
    sky: Annotated[Sky, Field(discriminator="kind")] | None = None
    """What shines in the sky, from which its radiance follows step by step, by sun and moon of the track."""
    sky_etendue: Literal["field-of-view", "single-mode"] | None = None
    """What the receiver takes of a radiance: its aperture times its field of view, if not given, or one mode, lambda^2."""
    correlation_time_ms: Annotated[float, Field(ge=0)] | None = None
    """Time after which the fading is drawn afresh; 0: it averages out within a step. Required where anything fluctuates."""
    fading_nodes: Annotated[int, Field(ge=1, le=MAXIMUM_NODES)] = 8
    """Quadrature nodes of the fading in each step; 2 n - 1 moments are kept."""
    polarization: Polarization | None = None
    """What the way does to the polarization; not given: nothing."""

    @model_validator(mode="after")
    def _has_one_background(self) -> Self:
        given = (self.background_rate_hz, self.sky_radiance_w_per_m2_um_sr, self.sky)
        if sum(value is not None for value in given) != 1:
            raise ValueError("exactly one of background_rate_hz, sky_radiance_w_per_m2_um_sr and sky is required")
        if self.sky_etendue is not None and self.background_rate_hz is not None:
            raise ValueError("sky_etendue belongs to a radiance; with background_rate_hz it would do nothing")
        return self

    @property
    def takes_one_mode(self) -> bool:
        """Whether the receiver takes one mode of the sky."""
        return self.sky_etendue == "single-mode"

    def background(self, sight: Sight, *, where: str) -> Floats:
        """Sky photons a second at the analyser's entrance.

        Parameters
        ----------
        sight : Sight
            Track, receiving telescope and wavelength.
        where : str
            Place of the channel in the run, for messages.

        Returns
        -------
        ndarray
            Rate [1/s], (T,): the given one, or that of the given radiance or sky through the receiver's telescope
            (`background.sky_photon_rate`) or into a single mode (`background.single_mode_sky_photon_rate`).

        Raises
        ------
        UserError
            A radiance is given, but the receiver's aperture, field of view or filter width is not; or as `Sky.radiance`.
        """
        steps = sight.track.time.shape
        if self.background_rate_hz is not None:
            return np.full(steps, self.background_rate_hz)
        needed = ("filter_bandwidth",) if self.takes_one_mode else ("receiver_aperture", "field_of_view", "filter_bandwidth")
        key = "sky" if self.sky is not None else "sky_radiance_w_per_m2_um_sr"
        for name in needed:
            if np.isnan(getattr(sight, name)):
                raise UserError(
                    f"{where}.{key}: the receiver does not tell its {name.replace('_', ' ')}, "
                    "which sky light depends on; give it, or background_rate_hz"
                )
        if self.sky is not None:
            radiance = self.sky.radiance(sight.track, wavelength=sight.wavelength, where=f"{where}.sky")
        else:
            radiance = np.full(steps, self.si.sky_radiance)
        told = {
            "filter_bandwidth": sight.filter_bandwidth,
            "wavelength": sight.wavelength,
            "optics_transmittance": sight.receiver_optics_transmittance,
        }
        if self.takes_one_mode:
            return single_mode_sky_photon_rate(radiance, **told)
        return sky_photon_rate(
            radiance,
            aperture=sight.receiver_aperture,
            obscuration=sight.receiver_obscuration,
            field_of_view=sight.field_of_view,
            **told,
        )

    def transmit(self, sight: Sight, *, files: Files, where: str) -> Transmittance:
        """Distribution of transmittance along the pass.

        Parameters
        ----------
        sight : Sight
            Track, wavelength and telescopes of the arm.
        files : Files
            Reads tables.
        where : str
            Place of the channel in the run, for messages, such as ``runs/pass.toml: channel``.

        Returns
        -------
        Transmittance
            One arm; its mean is exactly that of the losses by term.

        Raises
        ------
        UserError
            A telescope, range or elevation is missing, or a model is asked for something outside its valid range; something
            fluctuates and no correlation time is given; the orbit does not tell what the polarization needs.
        """
        passage = self.passage(sight, files=files, where=where)
        time, timed = 0.0, ""
        if passage.fluctuates:
            if self.correlation_time_ms is not None:
                time = self.si.correlation_time
            elif passage.correlation_time is not None:
                time, timed = passage.correlation_time()
            else:
                raise UserError(f"{where}: correlation_time_ms is required, since the transmittance fluctuates")
        told = [passage.model, timed, "" if self.sky is None else self.sky.told]
        nodes, weight = passage.rule(self.fading_nodes)
        nodes = nodes / np.sum(nodes * weight, axis=-1, keepdims=True) * passage.mean[:, None]
        steps = len(nodes)
        without_extra = Transmittance(
            # a lossless channel may round to 1 + 1e-16
            transmittance=np.minimum(nodes, 1.0)[:, :, None],
            weight=weight,
            correlation_time=time,
            jones=np.tile(np.eye(2, dtype=np.complex128), (steps, 1, 1, 1)),
            background_rate=self.background(sight, where=where)[:, None],
            includes=passage.includes,
            terms_db={name: value[:, None] for name, value in passage.loss_db.items()},
            model="; ".join(part for part in told if part),
        )
        if self.polarization is not None:
            maps = self.polarization.maps(sight.track, where=f"{where}.polarization")
            without_extra = polarized(without_extra, maps)
        return attenuated(without_extra, self.extra_loss_db)

    def law(self, sight: Sight, *, files: Files, where: str) -> Law | None:
        """Law of the whole transmittance, extra loss and that of mirrors included; None where nothing fluctuates.

        Arguments as of `transmit`.
        """
        found = self.passage(sight, files=files, where=where)
        if not found.fluctuates:
            return None
        kept = 10.0 ** (-0.1 * self.extra_loss_db) * np.ones(sight.track.time.shape)
        if self.polarization is not None:
            kept = kept * self.polarization.maps(sight.track, where=f"{where}.polarization").mean
        return Scaled(found.law(), kept)

    def path(self, sight: Sight, *, files: Files, where: str) -> dict[str, Floats]:
        """Quantities of the path through the air, each of shape (T,); none where the channel is measured."""
        return {}

    def passage(self, sight: Sight, *, files: Files, where: str) -> Passage:
        """What light meets on its way: the losses by term, and the law of what fluctuates. Arguments as of `transmit`."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Passage:
    """The way through a channel before it is put into a few nodes."""

    loss_db: Mapping[str, Floats]
    """Mean loss by term [dB], each of shape (T,), without the extra loss."""
    includes: tuple[str, ...]
    """Terms of `stages.LOSS_TERMS` in the losses."""
    model: str
    """Models and their validity."""
    fluctuates: bool
    law: Callable[[], Law]
    """Makes the law of the whole transmittance, whose mean is that of the losses."""
    rule: Callable[[int], tuple[Floats, Floats]]
    """Nodes, to a constant factor, and weights of the law, each of shape (T, N), for N nodes."""
    correlation_time: Callable[[], tuple[float, str]] | None = None
    """Computes the correlation time of the fading [s], one for the pass, and says how; None: nobody can."""

    @property
    def mean(self) -> Floats:
        """Mean transmittance [1], shape (T,)."""
        return np.asarray(10.0 ** (-0.1 * np.sum(list(self.loss_db.values()), axis=0)), dtype=np.float64)


def log_normal_passage(
    *,
    loss_db: Mapping[str, Floats],
    captured: Floats,
    scintillation_index: Floats,
    pointing: Pointing | None = None,
    includes: tuple[str, ...],
    model: str,
) -> Passage:
    """Passage whose fluctuations are a log-normal factor and an independent pointing factor.

    Parameters
    ----------
    loss_db : mapping of str to ndarray
        Mean loss by term [dB], each of shape (T,).
    captured : ndarray
        Transmittance that the log-normal factor may raise to 1 at most [1], shape (T,).
    scintillation_index : ndarray
        Of the log-normal factor [1], shape (T,).
    pointing : Pointing, or None
        Law of the pointing factor, of one step, whose mean is in `loss_db`.
    includes : tuple of str
        Terms of `stages.LOSS_TERMS` in the losses.
    model : str
        Models and their validity.

    Returns
    -------
    Passage
    """
    fluctuates = pointing is not None or bool(np.any(scintillation_index > 0.0))

    def rule(number: int) -> tuple[Floats, Floats]:
        nodes = None if pointing is None else tuple(part[0] for part in pointing.rule(number))
        return fading_rule(scintillation_index, upper=1.0 / captured, pointing=nodes, number=number)

    def law() -> Law:
        steps = captured.size
        mean = 10.0 ** (-0.1 * np.sum(list(loss_db.values()), axis=0))
        share = np.minimum(captured, 1.0)
        turbulence = LogNormal(share, np.log1p(scintillation_index), upper=1.0)
        if pointing is None:
            return Scaled(turbulence, mean / share)
        wide = spread_over(pointing, steps)
        return Product(turbulence, wide, factor=mean / (share * wide.mean))

    if np.any(scintillation_index > 0.0):
        model = f"{model}; log-normal law of scintillation"
    return Passage(loss_db=loss_db, includes=includes, model=model, fluctuates=fluctuates, law=law, rule=rule)


def law_passage(law: Law, *, loss_db: Mapping[str, Floats], includes: tuple[str, ...], model: str) -> Passage:
    """Passage whose whole transmittance has a given law; its mean is that of the losses. Other arguments as of `Passage`."""
    return Passage(
        loss_db=loss_db, includes=includes, model=f"{model}; {law.name} law", fluctuates=True, law=lambda: law, rule=law.rule
    )


def spread_over(pointing: Pointing, steps: int) -> Pointing:
    """The same law of pointing at every one of T steps."""
    return Pointing(
        np.full(steps, pointing.half_angle[0]),
        jitter_x=pointing.jitter_x[0],
        jitter_y=pointing.jitter_y[0],
        bias_x=pointing.bias_x[0],
        bias_y=pointing.bias_y[0],
    )


def attenuated(transmittance: Transmittance, loss_db: float) -> Transmittance:
    r"""Transmittance of a link with a further fixed loss, :math:`\eta\,10^{-L/10}` in every node.

    A channel with ``extra_loss_db`` is, bit for bit, the channel without it, attenuated: points of a sweep that differ in it
    alone may share all the rest.

    Parameters
    ----------
    transmittance : Transmittance
        Of the link so far.
    loss_db : float
        Further loss :math:`L` [dB], at least 0.

    Returns
    -------
    Transmittance
        With the loss under the term ``extra``, added to what stood there. The background, which is given at the analyser's
        entrance, is not attenuated. The same object where the loss is 0.

    Raises
    ------
    ValueError
        The loss is negative or NaN.
    """
    if not loss_db >= 0.0:
        raise ValueError(f"a loss of {loss_db} dB; must be 0 or more")
    if loss_db == 0.0:
        return transmittance
    extra = transmittance.terms_db.get("extra", np.zeros(transmittance.background_rate.shape)) + loss_db
    return replace(
        transmittance,
        transmittance=transmittance.transmittance * 10.0 ** (-0.1 * loss_db),
        terms_db={**transmittance.terms_db, "extra": extra},
    )
