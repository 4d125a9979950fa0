"""What a run costs: seconds of the cores and GPUs that it holds, and money at the settings' prices."""

from dataclasses import dataclass

from schemas.settings import Settings


@dataclass(frozen=True, slots=True)
class Bill:
    """One encoder's share of a run: all of it, or where several encoders were heard `together` an equal part each.

    `wall_seconds` are the whole run's. Cores and GPUs count for as long as they are held, at work or not: that is what
    a machine costs. `money` is None where the price of something that was held is not told.
    """

    wall_seconds: float
    core_seconds: float
    gpu_seconds: float
    bytes_written: int
    money: float | None
    currency: str
    together: tuple[str, ...]

    @classmethod
    def of(
        cls, names: tuple[str, ...], wall: float, held: tuple[int, int], bytes_written: int, settings: Settings
    ) -> "Bill":
        """Of a run of so many seconds that held so many cores and GPUs."""
        cores, gpus = (round(wall * count / len(names), 1) for count in held)
        told = money(cores, gpus, settings)
        return cls(round(wall, 1), cores, gpus, bytes_written, told, settings.currency, names)


def money(core_seconds: float, gpu_seconds: float | None, settings: Settings) -> float | None:
    """In the settings' currency; None where a price that is needed is not told, or the seconds are not known."""
    if gpu_seconds is None:
        return None
    used = [(core_seconds, settings.price_core_hour), (gpu_seconds, settings.price_gpu_hour)]
    if any(seconds and not price for seconds, price in used):
        return None
    return round(sum(seconds / 3600 * price for seconds, price in used), 4)
