"""What all optimizers of a recipe have in common: their base class, and types of fields that several have."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from mlpcore.messages import N_, SentenceError
from mlpcore.recipes import messages
from mlpcore.recipes.hyperparameters import AS_TUPLE, Hyperparameters

CHANGEABLE = ("lr", "momentum", "weight_decay")  # while a run goes on, where the optimizer has and reads them
MAX_BATCH = 100_000
Eps = Annotated[float, Field(ge=1e-12, le=0.1, description="Added to the denominator, so that it is never zero.")]
Beta = Annotated[float, Field(ge=0.0, le=0.9999)]
Betas = Annotated[
    tuple[Beta, Beta],
    AS_TUPLE,
    Field(description="How long the gradient's mean (first) and its square (second) are remembered."),
]
Amsgrad = Annotated[
    bool,
    Field(
        exclude_if=lambda amsgrad: not amsgrad,  # recipes without it are stored and exported as they always were
        description="Divides by the largest mean square so far, so that steps never grow again.",
    ),
]
DecoupledDecay = Annotated[
    bool, Field(description="Applies weight decay to the weights themselves, as AdamW does, not to the gradient.")
]


class Group(StrEnum):
    """What kind of optimizer it is, in the order of the forms."""

    LECTURE = "of the lecture"
    ADAPTIVE = N_("adaptive")
    OTHER = N_("other")


class Optimizer(Hyperparameters):
    """An optimizer of torch.optim.

    group: Where it stands in the forms.
    states: Numbers per weight that it keeps, at most, without those of amsgrad.
    tested_lr: At this rate the default network learned: in 400 iterations SGD (without momentum), Adam, AdamW, RMSprop
        and Adagrad reached 37 to 53 % on Shapes and 39 to 41 % on photographs of CIFAR-10, the others 28 to 34 % and
        38 to 41 %. Rprop, with 1,000 images of Shapes in each batch, reached 23 %, and Adam 26 %.
    needs_full_batch: Whether it works only if every batch has all training images.
    reads_lr_once: Whether it reads lr at its first step only: schedules and changes do nothing later.
    """

    group: ClassVar[Group]
    states: ClassVar[int]
    tested_lr: ClassVar[float]
    needs_full_batch: ClassVar[bool] = False
    reads_lr_once: ClassVar[bool] = False

    @classmethod
    def list_changeable(cls) -> list[str]:
        """List the hyperparameters that can be changed while a run goes on."""
        left_out = ("lr",) if cls.reads_lr_once else ()
        return [name for name in CHANGEABLE if name in cls.model_fields and name not in left_out]

    def check_batch(self, *, train_size: int | None, batch_size: int) -> None:
        """Raise SentenceError if this optimizer needs all training images in every batch, and that is not so.

        train_size: None for all images of a data set, whose number a recipe does not know.
        """
        if not self.needs_full_batch or train_size == batch_size:
            return
        template = messages.NO_FULL_BATCH if train_size else messages.NO_FULL_BATCH_OF_ALL
        name = type(self).model_fields["name"].default
        raise SentenceError(
            template, field="optimizer", value=name, train_size=train_size or 0, batch_size=batch_size, most=MAX_BATCH
        )
