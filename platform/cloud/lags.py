"""The metrics in which the sealer of ledger blocks reports delays, and the thresholds above which an alarm starts."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Lag:
    """A metric that the sealer of ledger blocks prints every minute: a delay in seconds, with its alarm's threshold.

    `of_pods`: the delay is the sealer's own; the others are functions'.
    """

    metric: str
    late_seconds: int
    about: str
    of_pods: bool = False


LAGS = {
    "seal-lag": Lag(
        metric="SealLagSeconds",
        late_seconds=30,
        about="Revisions are not sealed: they can't be proved yet",
        of_pods=True,
    ),
    "publish-lag": Lag(
        metric="PublishLagSeconds",
        late_seconds=60,
        about="Blocks do not reach the stream: insights stand still",
        of_pods=True,
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
