"""Every sentence for people about what is worked out in numbers for teaching."""

from mlpcore.messages import N_

STRAIGHT_PATH = N_(
    "The weights of this run have moved along a straight line, so there is no plane to show. It takes at least two "
    "evaluations: choose a smaller eval_every."
)
