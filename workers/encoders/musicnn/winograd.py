"""Convolutions of which only the maximum over the mel bands is wanted, as matrix products on one CPU thread.

Nothing of the bands x filters x frames result is kept but a running maximum, and the tall kernels are applied with
Winograd's F(2,2), nested: 27 products where 64 are usual (27/64 of the multiplications, float32 error as before).
"""

import torch

FRAMES = 187
COLUMNS = 192  # frames rounded up to whole vector registers: products are 20 % faster (measured)

_LEVELS = 3
_STEP = 2**_LEVELS
_TEMPORAL_CHUNK = 8


class BandMax:
    """max over p of sum over f, t of kernels[:, f, t] * bands[p + f, frame + t], for kernels [filters, F, T].

    The number of bands is a multiple of 8.

    F(2,2), for outputs p and p + 1 and kernel halves a (even bands) and b (odd bands), with m = (a + b) x[p + 1]:
    y[p] = a (x[p] - x[p + 1]) + m and y[p + 1] = m + b (x[p + 2] - x[p + 1]): three products instead of four, each
    over half the bands (S. Winograd, Arithmetic Complexity of Computations, 1980). Applied to itself three times.
    """

    def __init__(self, kernels: torch.Tensor, bands: int) -> None:
        filters, height, self._taps = kernels.shape
        self._positions = bands - height + 1
        padded = torch.zeros(filters, -(-height // _STEP) * _STEP, self._taps)
        padded[:, :height] = kernels
        self._kernels = [part.flatten(1).contiguous() for part in _kernel_parts(padded, _LEVELS)]
        self._outputs = list(torch.empty(_STEP, filters, COLUMNS))
        self._scratch = {count: list(torch.empty(count, filters, COLUMNS)) for count in (1, 2, 4)}

    def __call__(self, parts: list[torch.Tensor]) -> torch.Tensor:
        """Parts of a spectrogram, from `band_parts` -> [filters, COLUMNS]; columns from FRAMES on mean nothing."""
        best = torch.full_like(self._outputs[0], -torch.inf)
        for group in range(-(-self._positions // _STEP)):
            self._multiply(self._kernels, parts, group * self._taps, self._outputs, fresh=True)
            for output in self._outputs[: self._positions - group * _STEP]:
                torch.maximum(best, output, out=best)
        return best

    def _multiply(
        self,
        kernels: list[torch.Tensor],
        parts: list[torch.Tensor],
        row: int,
        outputs: list[torch.Tensor],
        fresh: bool,
    ) -> None:
        """Writes (fresh) or adds the results for len(outputs) neighbouring positions."""
        if len(outputs) == 1:
            rows = parts[0][row : row + kernels[0].shape[1]]
            outputs[0].addmm_(kernels[0], rows, beta=0 if fresh else 1)
            return
        third, even, odd = len(kernels) // 3, outputs[0::2], outputs[1::2]
        shared = odd if fresh else self._scratch[len(odd)]
        self._multiply(kernels[third:-third], parts[third:-third], row, shared, fresh=True)
        for index, part in enumerate(shared):
            if fresh:
                even[index].copy_(part)
            else:
                even[index].add_(part)
                odd[index].add_(part)
        self._multiply(kernels[:third], parts[:third], row, even, fresh=False)
        self._multiply(kernels[-third:], parts[-third:], row, odd, fresh=False)


def band_parts(bands: torch.Tensor) -> list[torch.Tensor]:
    """Spectrogram [bands, COLUMNS + T - 1] -> its 27 parts [bands / 8 * T, COLUMNS], for every BandMax of T frames.

    Row band * T + t of a part is its band, t frames later.
    """
    return [part.unfold(1, COLUMNS, 1).reshape(-1, COLUMNS) for part in _input_parts(bands, _LEVELS)]


class TemporalMax:
    """max over bands of sum over t of kernel[:, t] * bands[:, frame + t], for kernels [filters, T] centred alike."""

    def __init__(self, kernels: list[torch.Tensor]) -> None:
        self._kernels = [kernel.contiguous() for kernel in kernels]
        self._length = max(kernel.shape[1] for kernel in kernels)

    def __call__(self, bands: torch.Tensor) -> torch.Tensor:
        """Spectrogram [bands, COLUMNS + longest T - 1] -> [all filters, COLUMNS]."""
        best: list[torch.Tensor] = []
        for chunk in bands.split(_TEMPORAL_CHUNK):
            rows = chunk.unfold(1, COLUMNS, 1).transpose(0, 1).reshape(self._length, -1)
            largest = [self._product(kernel, rows) for kernel in self._kernels]
            best = list(map(torch.maximum, best, largest)) if best else largest
        return torch.cat(best)

    def _product(self, kernel: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        filters, taps = kernel.shape
        first = same_padding(self._length) - same_padding(taps)
        return (kernel @ rows[first : first + taps]).view(filters, -1, COLUMNS).amax(1)


def same_padding(taps: int) -> int:
    """Zeros that TensorFlow's 'same' puts before the first frame; the other taps // 2 come after the last."""
    return (taps - 1) // 2


def _kernel_parts(kernels: torch.Tensor, levels: int) -> list[torch.Tensor]:
    if not levels:
        return [kernels]
    even, odd = kernels[:, 0::2], kernels[:, 1::2]
    return [leaf for part in (even, even + odd, odd) for leaf in _kernel_parts(part, levels - 1)]


def _input_parts(bands: torch.Tensor, levels: int) -> list[torch.Tensor]:
    if not levels:
        return [bands]
    even, odd = bands[0::2], bands[1::2]
    later = even.roll(-1, 0)  # what wraps round is met by kernel padding or by positions that are left out
    return [leaf for part in (even - odd, odd, later - odd) for leaf in _input_parts(part, levels - 1)]
