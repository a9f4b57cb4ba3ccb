"""Every sentence for people about recipes: what is wrong with one, with its link or its lesson, and what to do."""

from mlpcore.messages import N_

# What a value must be
NOT_AN_OPTION = N_("{field} is {value}: it must be one of {options}.")
NOT_ON_THIS_MACHINE = N_("{field} is {value}: this machine has {options}.")
NOT_A_NUMBER = N_("{field} is {value}: it must be a number from {low} to {high}.")
NOT_A_WHOLE_NUMBER = N_("{field} is {value}: it must be a whole number from {low} to {high}.")
NOT_TWO_NUMBERS = N_("{field} is {value}: it must be two numbers from {low} to {high}.")
NOT_WHOLE_NUMBERS = N_("{field} is {value}: it must be {least} to {most} whole numbers from {low} to {high}.")
NOT_A_BOOLEAN = N_("{field} is {value}: it must be true or false.")
BAD_NAME = N_("{field} is {value}: it must be 1 to 40 letters, digits, spaces, dots, hyphens or underscores.")
BAD_COUNT = N_("{field} has {count} values: it must have {low} to {high}.")
TOO_MANY_VALUES = N_("{field} has {count:,} values: no hyperparameter may have more than {most:,}.")
NOT_ALLOWED = N_("{field} is {value}: this value is not allowed.")

# What is not a recipe, and what is not part of one
NOT_JSON = N_("This is not JSON: it cannot be read past line {line}, column {column}.")
NOT_A_RECIPE = N_("{value} is not a recipe: a recipe is a JSON object whose keys are hyperparameters.")
NOT_IN_RECIPES = N_("{field} is not a hyperparameter of a recipe.")
NOT_IN_PART = N_("{field} is not a hyperparameter of {part}, which has {options}.")
NOT_OF_IMAGES = N_("{field} is for points in the plane, but this data set has images. With points: {options}.")
OTHER_POINTS = N_("{field} are those of {value}, but the data set is {dataset}.")

# Values that do not fit together
NESTEROV_WITHOUT_MOMENTUM = N_("{field} is on while momentum is 0: turn it off, or set momentum above 0.")
NO_FULL_BATCH = N_(
    "{field} is {value}, which needs all training examples in each batch: train_size and batch_size must be the same "
    "number from 1 to {most:,}, but they are {train_size:,} and {batch_size:,}."
)
NO_FULL_BATCH_OF_ALL = N_(
    "{field} is {value}, which needs all training examples in each batch: train_size and batch_size must be the same "
    "number from 1 to {most:,}, but train_size is empty and batch_size {batch_size:,}."
)
ETAS_NOT_AROUND_ONE = N_(
    "{field} is {value}: the first must be from {low:g} to below 1, the second above 1 and at most {high:g}."
)
PAIR_DESCENDS = N_("{field} is {value}: the second must not be smaller than the first.")
MILESTONES_NOT_ASCENDING = N_("{field} is {value}: each milestone must be larger than the one before it.")
TOO_MANY_EVALUATIONS = N_(
    "{field} is {value:,}: with {train_iter:,} iterations it must be at least {low:,}, because a run has at most "
    "{most:,} evaluations."
)
TOO_MANY_WEIGHTS = N_("{field} is {value}: that makes {weights:,} weights, and a network may have at most {most:,}.")
SHORT_CYCLE = N_(
    "{field} leaves {value:,} iterations for OneCycleLR, whose rise and fall need more than 1 each: increase {field}, "
    "or set pct_start closer to 0.5."
)
NO_IMAGES_LEFT = N_(
    "{field} is {value:,}: it must be from 0 to {high:,}, so that at least one training image is left to train on."
)
FEW_IMAGES_LEFT = N_("{field} is {value:,}: it must be from 1 to {high:,}, the number of images left for training.")
LARGE_BATCH = N_("{field} is {value:,}: it must be from 1 to {high:,}, the number of images to train on.")

# Changes during a run
BAD_CHANGE = N_("{field} is {value}: each change must have a step, and lr, momentum or weight_decay.")
EMPTY_CHANGE = N_("{field} has a change that sets nothing: it must set lr, momentum or weight_decay.")
NOT_CHANGEABLE = N_("{field} cannot be changed during a run: lr, momentum and weight_decay can.")
NOT_IN_OPTIMIZER = N_("{field} sets {value}: {optimizer} has no such hyperparameter.")
LR_IS_READ_ONCE = N_(
    "{field} sets lr, which {optimizer} reads at its first iteration only: start a run with the lr you want."
)
LR_IS_NOT_TESTED = N_(
    "{field} cannot be tested with {optimizer}, which reads it at its first iteration only: a rate that grows does "
    "nothing."
)
MOMENTUM_IS_CYCLED = N_(
    "{field} sets momentum, which CyclicLR moves itself: leave it out, or start a run with cycle_momentum off."
)
STEP_OUT_OF_RANGE = N_("{field} has a change at step {value:,}: the step must be from {low:,} to {high:,}.")
TOO_MANY_RATES = N_(
    "{field} sets lr too often: the steps of these changes add up to {value:,}, and the limit is {most:,}. Start a "
    "new run with the learning rate you want."
)

# Links
BAD_ROW = N_("{field}: rows are numbered from 1 to {most}.")

# Lessons
LESSON_KEEPS = N_("{field} sets a hyperparameter that this lesson fixes: that change is left out.")
UNKNOWN_NAMES = N_("{field} names {names}: there is no such hyperparameter.")
BAD_LINE = N_("{field} is {value}: it must be at most {most} printable characters.")

# The titles of comparisons to choose from
COMPARE_OPTIMIZERS = N_("SGD, momentum, Nesterov, Adam")
COMPARE_RATES = N_("Learning rates: SGD and Adam")
COMPARE_SCHEDULES = N_("Step size and gamma")
COMPARE_DECAYS = N_("Weight decay")
