"""What a diagnosis is: its kind, the symptom that a rule saw, and the recipe to try next."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mlpcore.recipes.recipe import Recipe


class DiagnosisKind(StrEnum):
    """What is diagnosed."""

    TOO_FEW = "too few evaluations"
    DIVERGED = "diverged"
    TOO_HIGH = "learning rate too high"
    TOO_LOW = "learning rate too low"
    VANISHING = "vanishing gradients"
    DEAD = "dead units"
    SATURATED = "saturated units"
    ALIKE = "units that stay alike"
    OVERFITTING = "overfitting"
    PLATEAU = "plateau"
    DROP = "drop of the rate"
    CHANGE = "change during the run"
    OWN_RUN = "other run of the same person"
    HEALTHY = "healthy"
    SO_FAR = "no problem so far"


class Symptom(StrEnum):
    """What a rule saw: a kind may have several symptoms, each with its own sentence."""

    FEW_EVALUATIONS = "few evaluations in all"
    FEW_SO_FAR = "few evaluations so far"
    NOT_FINITE = "loss is not finite"
    UNMOVED = "loss stuck near that of guessing, weights unmoved"
    SMALL_STEPS = "weights close to their start"
    STUCK = "loss stuck near that of guessing"
    STUCK_SIGMOID = "loss stuck near that of guessing, with sigmoids"
    LOST = "loss back near that of guessing"
    ENDED_EARLY = "schedule soon left next to nothing of the rate"
    SLOW_SIGMOID = "loss falls steadily, but hardly, with sigmoids"
    DEAD_UNITS = "units of relu answer 0 to everything"
    SATURATED_UNITS = "units of sigmoid or tanh answer with an extreme to nearly everything"
    ZERO_START = "nothing learned from weights of 0"
    JUMPS = "loss jumps up and down"
    STEPS_STUCK = "loss near that of guessing, with step sizes that adapt themselves"
    STEPS_JUMP = "loss jumps up and down, with step sizes that adapt themselves"
    BARELY_LEARNING = "loss falls steadily, but hardly"
    STILL_FALLING = "loss still falls at the end"
    TEST_LOSS_ROSE = "test loss rises, accuracy holds"
    TEST_ACC_FELL = "test loss rises, accuracy falls"
    FLAT_LOSS = "loss is flat at one rate"
    DROP_AT = "rate drops at a known step"
    DROP_BETWEEN = "rate drops between two evaluations"
    CHANGED = "hyperparameter changed during the run"
    OWN_BETTER = "other run did better"
    OWN_WORSE = "other run did worse"
    OWN_EQUAL = "other run did as well"
    OWN_LEARNED = "other run learned, this one diverged"
    NO_PROBLEM_YET = "nothing wrong so far"
    NOT_FALLING = "no rule applies, loss does not fall"
    WIDE_GAP = "healthy, wide gap"
    UNSETTLED = "healthy, still improving"
    CONVERGED = "healthy, loss has settled"
    SOLVED = "healthy, hardly a mistake"


ON_RATE = (DiagnosisKind.TOO_HIGH, DiagnosisKind.TOO_LOW)


@dataclass(frozen=True)
class Diagnosis:
    """What a rule found, with the numbers it used and the recipe to try next if it knows one."""

    kind: DiagnosisKind
    symptom: Symptom
    numbers: Mapping[str, float | str]
    step: int | None = None  # where in the history
    suggestion: Recipe | None = None
