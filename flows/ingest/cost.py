"""What a run costs: reserved core and GPU seconds, and their price by the settings."""

from dataclasses import dataclass

from schemas.settings import Settings


@dataclass(frozen=True, slots=True)
class Cost:
    """One encoder's share of a run's cost.

    Several encoders that share a run take an equal share each, and `shared_with` names all of them; `wall_seconds` are
    those of the whole run. Cores and GPUs count for as long as they are reserved, busy or idle: that is what a machine
    costs. `cost` is None if the settings lack a price that is needed.
    """

    wall_seconds: float
    core_seconds: float
    gpu_seconds: float
    bytes_written: int
    cost: float | None
    currency: str
    shared_with: tuple[str, ...]

    @classmethod
    def of(
        cls, names: tuple[str, ...], wall: float, reserved: tuple[int, int], bytes_written: int, settings: Settings
    ) -> "Cost":
        """Return the share of each of the named encoders in a run.

        The run took `wall` seconds, with so many `reserved` cores and GPUs.
        """
        cores, gpus = (round(wall * count / len(names), 1) for count in reserved)
        price = price_of(cores, gpus, settings)
        return cls(round(wall, 1), cores, gpus, bytes_written, price, settings.currency, names)


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What embedding the pending tracks would take; `basis` says what the figures go by.

    `gpu_seconds` is None if unknown before a first run, `cost` if the settings lack a price that is needed.
    """

    estimated_audio_seconds: float
    estimated_seconds: float
    core_seconds: float
    gpu_seconds: float | None
    cost: float | None
    currency: str
    basis: str


def price_of(core_seconds: float, gpu_seconds: float | None, settings: Settings) -> float | None:
    """Return the price in the settings' currency. It is None if it is unknown or no price is set."""
    if gpu_seconds is None or not (settings.price_core_hour or settings.price_gpu_hour):
        return None
    used = [(core_seconds, settings.price_core_hour), (gpu_seconds, settings.price_gpu_hour)]
    if any(seconds and not price for seconds, price in used):
        return None
    return round(sum(seconds / 3600 * price for seconds, price in used), 4)
