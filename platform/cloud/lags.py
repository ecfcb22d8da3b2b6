"""How far behind each part may be before its alarm rings: the figures that the sealer prints, with their thresholds."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Lag:
    """A delay in seconds that the sealer prints every minute, and the threshold of its alarm."""

    metric: str
    late_seconds: int
    about: str


LAGS = {
    "seal-lag": Lag(
        metric="SealLagSeconds", late_seconds=30, about="Revisions are not sealed: they can't be proved yet"
    ),
    "publish-lag": Lag(
        metric="PublishLagSeconds", late_seconds=60, about="Blocks do not reach the stream: insights stand still"
    ),
    "consume-lag": Lag(
        metric="ConsumeLagSeconds", late_seconds=120, about="The stream is not taken in: insights stand still"
    ),
    "night-age": Lag(
        metric="NightAgeSeconds", late_seconds=26 * 3600, about="The night was not calculated: points are not confirmed"
    ),
    "digest-age": Lag(
        metric="DigestAgeSeconds", late_seconds=900, about="No digest was anchored: a cut journal would go unnoticed"
    ),
}
