"""Every sentence for people about sweeps: what is wrong with a search space, and why a sweep cannot go on."""

from mlpcore.messages import N_

NOT_A_SWEEP = N_('{value} is not a sweep: it must be a JSON object with "base", "space" and "sampler".')
NOT_SWEPT = N_("{field} cannot vary within a sweep: choose from {options}.")
TOO_MANY_DIMENSIONS = N_("space varies {count} hyperparameters: it must vary 1 to {most}.")
EMPTY_SPACE = N_("space varies nothing: name 1 to {most} hyperparameters.")
NOT_A_DIMENSION = N_(
    '{field} is {value}: it must be a list of 1 to {most} values, or a range such as {{"low": 0.001, "high": 1}}.'
)
NOT_IN_RANGE = N_("{field} has a range with {value}: a range has {options}.")
NOT_IN_SWEEP = N_("{field} is not part of a sweep, which has {options}.")
BASE_AND_ROWS = N_("A sweep has either base or rows: leave one of them out.")
NO_RANGE = N_("{field} has no range: it must be a list of values.")
NOT_ASCENDING = N_("{field} ranges from {low} to {high}: the first must be below the second.")
LOG_OF_ZERO = N_("{field} ranges from {low} on a log scale: it must begin above 0.")
REPEATED_VALUE = N_("{field} lists {value} twice.")
NO_OWNER = N_("{field} is in the space, but no optimizer or scheduler in it has {field}.")
TOO_MANY_POINTS = N_("The grid has {count:,} points: a sweep may have at most {most:,} trials.")
TOO_MANY_RUNS = N_("{trials:,} trials with {seeds} seeds each are {count:,} runs: a sweep may have at most {most:,}.")
UNEVEN_STUDIES = N_(
    "{field} is {value}: studies need Sobol's points, and a number of trials that they share evenly (trials is "
    "{trials})."
)
NOT_PRUNED = N_("{field} is on: it must be off for a grid and for equal budgets, whose trials are all needed.")
NOT_HELD_OUT = N_("validation_size is {value:,}: a sweep chooses by held-out images, so it must be at least {low:,}.")
FRESH_WITHOUT_CURVES = N_(
    "{field} is {value}: it must be 0 here, because {other} has a range. Fresh seeds are for rows that vary in lr, and "
    "in lists of values."
)
DIFFERENT_DATA = N_("The rows of a sweep must agree in {field}, so that their accuracies can be compared.")
NOT_OVER = N_("A sweep must be stopped before it can be deleted.")
ALREADY_OVER = N_("This sweep is over.")
CANNOT_GO_ON = N_(
    "The sweep cannot go on because of an error in this program; it tries again. The log has the details."
)
NOT_AN_EXTENSION = N_("A sweep is extended by trials or by values: its rows, sampler and seeds must stay.")
NO_MORE_POINTS = N_("A grid has a trial at each of its points: widen a range to get more.")
NOT_YOURS = N_("Only the person who started this sweep can do that.")
TOO_MANY_SWEEPS = N_("{limit} of your sweeps are going on: wait until one ends, or stop one.")
NOT_A_SWEEP_FILE = N_(
    "This file does not contain a sweep that this program saved: choose a JSON file from the Sweep page."
)
