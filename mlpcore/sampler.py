"""Which images each mini-batch holds."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from mlpcore.messages import SentenceError
from mlpcore.seeds import build_generator


class RandomSampler(Iterator[Tensor]):
    """Draw mini-batches of indices without end, every image once an epoch.

    Each batch is an int64 tensor (batch_size,) of indices below `num_samples`. Every epoch is a new random order, and
    the orders follow each other without a gap: a batch that reaches the end of one is filled from the next. So all
    batches have the same size, k batches are exactly k * batch_size / num_samples epochs, and a batch as large as the
    data set is the whole data set, once: full-batch gradient descent.

    With `replacement` each index is drawn from all images alike, and an epoch is only a count.

    Draws come from `generator` alone. Without one, a new generator is seeded with torch.initial_seed(): after
    torch.manual_seed the batches repeat, otherwise they differ from process to process, and torch's global state is
    read but never moved.

    Raises ValueError where a size is not an int in its range.
    """

    def __init__(
        self, num_samples: int, batch_size: int, *, replacement: bool = False, generator: Generator | None = None
    ):
        if not isinstance(num_samples, int) or num_samples < 1:
            raise ValueError(f"num_samples is {num_samples!r}: it must be a whole number, at least 1")
        if not isinstance(batch_size, int) or not 1 <= batch_size <= num_samples:
            template = "{field} is {value}: it must be a whole number from 1 to {high:,}."
            raise SentenceError(template, field="batch_size", value=batch_size, high=num_samples)
        self.num_samples = num_samples
        self.batch_size = batch_size
        self.replacement = replacement
        if generator is None:
            generator = build_generator(torch.initial_seed(), "batches")
        self._generator = generator
        self._remaining = torch.empty(0, dtype=torch.int64)  # of this epoch's order

    def __next__(self) -> Tensor:
        if self.replacement:
            return torch.randint(self.num_samples, (self.batch_size,), generator=self._generator)
        batch, self._remaining = self._remaining[: self.batch_size], self._remaining[self.batch_size :]
        if len(batch) < self.batch_size:
            order = torch.randperm(self.num_samples, generator=self._generator)  # 50,000 images: 0.5 ms
            missing = self.batch_size - len(batch)
            batch, self._remaining = torch.cat([batch, order[:missing]]), order[missing:]
        return batch
