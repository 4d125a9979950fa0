"""Fast convolutions on one CPU thread, followed by the maximum over the mel bands.

They are matrix products and keep only a running maximum of the bands x filters x frames result. Tall kernels use
Winograd's F(2,2), nested: 27 products instead of 64 (27/64 of the multiplications, the same float32 error).
"""

import torch

FRAMES = 187
COLUMNS = 192  # frames rounded up to whole vector registers: products are 20 % faster (measured)

_LEVELS = 3
_STEP = 2**_LEVELS
_TEMPORAL_CHUNK = 8


class MaxOverBands:
    """Convolutions with kernels [filters, F, T], then the maximum over bands.

    The result at a frame is max over p of sum over f, t of kernels[:, f, t] * bands[p + f, frame + t]. The number of
    bands is a multiple of 8.

    F(2,2), for outputs p and p + 1 and kernel halves a (even bands) and b (odd bands), with m = (a + b) x[p + 1]:
    y[p] = a (x[p] - x[p + 1]) + m and y[p + 1] = m + b (x[p + 2] - x[p + 1]): three products instead of four, each
    over half the bands (S. Winograd, Arithmetic Complexity of Computations, 1980). It is nested three times.
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
        """Convolve the parts of a spectrogram, from `split_bands` -> [filters, COLUMNS].

        Columns from FRAMES on mean nothing.
        """
        maximum = torch.full_like(self._outputs[0], -torch.inf)
        for group in range(-(-self._positions // _STEP)):
            self._multiply(self._kernels, parts, group * self._taps, self._outputs, overwrite=True)
            for output in self._outputs[: self._positions - group * _STEP]:
                torch.maximum(maximum, output, out=maximum)
        return maximum

    def _multiply(
        self,
        kernels: list[torch.Tensor],
        parts: list[torch.Tensor],
        row: int,
        outputs: list[torch.Tensor],
        overwrite: bool,
    ) -> None:
        """Write or add the results for len(outputs) neighbouring positions."""
        if len(outputs) == 1:
            rows = parts[0][row : row + kernels[0].shape[1]]
            outputs[0].addmm_(kernels[0], rows, beta=0 if overwrite else 1)
            return
        third, even, odd = len(kernels) // 3, outputs[0::2], outputs[1::2]
        shared = odd if overwrite else self._scratch[len(odd)]
        self._multiply(kernels[third:-third], parts[third:-third], row, shared, overwrite=True)
        for index, product in enumerate(shared):
            if overwrite:
                even[index].copy_(product)
            else:
                even[index].add_(product)
                odd[index].add_(product)
        self._multiply(kernels[:third], parts[:third], row, even, overwrite=False)
        self._multiply(kernels[-third:], parts[-third:], row, odd, overwrite=False)


def split_bands(bands: torch.Tensor) -> list[torch.Tensor]:
    """Split a spectrogram into the 27 parts that every MaxOverBands of T frames takes.

    [bands, COLUMNS + T - 1] -> 27 of [bands / 8 * T, COLUMNS]. Row band * T + t of a part is its band, t frames later.
    """
    return [part.unfold(1, COLUMNS, 1).reshape(-1, COLUMNS) for part in _input_parts(bands, _LEVELS)]


class TemporalMaxOverBands:
    """Convolutions in time with kernels [filters, T], then the maximum over bands.

    The result at a frame is max over bands of sum over t of kernel[:, t] * bands[:, frame + t]. Kernels of different T
    have the same centre.
    """

    def __init__(self, kernels: list[torch.Tensor]) -> None:
        self._kernels = [kernel.contiguous() for kernel in kernels]
        self._length = max(kernel.shape[1] for kernel in kernels)

    def __call__(self, bands: torch.Tensor) -> torch.Tensor:
        """Convolve a spectrogram [bands, COLUMNS + longest T - 1] -> [all filters, COLUMNS]."""
        maxima: list[torch.Tensor] = []
        for chunk in bands.split(_TEMPORAL_CHUNK):
            rows = chunk.unfold(1, COLUMNS, 1).transpose(0, 1).reshape(self._length, -1)
            products = [self._max_product(kernel, rows) for kernel in self._kernels]
            maxima = list(map(torch.maximum, maxima, products)) if maxima else products
        return torch.cat(maxima)

    def _max_product(self, kernel: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        filters, taps = kernel.shape
        first = same_padding(self._length) - same_padding(taps)
        return (kernel @ rows[first : first + taps]).view(filters, -1, COLUMNS).amax(1)


def same_padding(taps: int) -> int:
    """Return how many zeros TensorFlow's 'same' padding puts before the first frame.

    The other taps // 2 come after the last frame.
    """
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
    # The row that wraps round only meets padding of the kernels, or positions that are left out.
    later = even.roll(-1, 0)
    return [leaf for part in (even - odd, odd, later - odd) for leaf in _input_parts(part, levels - 1)]
