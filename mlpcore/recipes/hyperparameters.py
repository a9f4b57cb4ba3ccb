"""What the models of a recipe and of its parts have in common: their base class, and types of fields."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from mlpcore.messages import SentenceError
from mlpcore.recipes import messages

MAX_ITEMS = 10_000  # of a list that is validated: three million wrong ones make as many errors, 3 GB


class Hyperparameters(BaseModel):
    """Values that are validated once and then frozen: no unknown names, no text for a number, no NaN, no infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def replace(self, **values: Any) -> Self:
        """Copy with other values, validated. Raises ValidationError, a ValueError."""
        return type(self).model_validate(dict(self) | values)


def younger(default: Any, **settings: Any) -> Any:
    """Declare a field that the first recipes lacked: at its default it is neither stored nor hashed nor exported."""
    return Field(default=default, exclude_if=lambda value: value == default, **settings)


def _as_tuple(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, list) and len(value) > MAX_ITEMS:
        raise SentenceError(messages.TOO_MANY_VALUES, field=info.field_name, count=len(value), most=MAX_ITEMS)
    return tuple(value) if isinstance(value, list) else value


AS_TUPLE = BeforeValidator(_as_tuple)  # JSON has lists
Lr = Annotated[
    float, Field(ge=1e-6, le=10.0, description="The learning rate: how far each update goes against the gradient.")
]
WeightDecay = Annotated[
    float, Field(ge=0.0, le=1.0, description="Pulls every parameter towards 0, so that weights stay small.")
]
Momentum = Annotated[
    float,
    Field(ge=0.0, le=0.999, description="The share of the last update that is carried into the next: 0 is plain SGD."),
]
Iterations = Annotated[int, Field(ge=1, le=1_000_000)]
