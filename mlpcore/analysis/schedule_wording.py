"""Sentences about schedules that are probably not meant, each with the label of the button that applies its fix."""

from mlpcore.messages import N_

ENDS_IN_WARMUP = N_(
    "The warm-up takes {warmup_iters:,} iterations, but the run has only {train_iter:,}: "
    "the learning rate never reaches lr."
)
SET_WARMUP = N_("Warm up for {value:,}")
NEVER_DROPS = N_("step_size is {step_size:,}, but the run has {length:,} iterations: the learning rate never drops.")
SET_STEP_SIZE = N_("Set step_size to {value:,}")
ENDS_BEFORE_MILESTONE = N_(
    "The run ends after {length:,} iterations, before the milestone {late:,}: the rate never drops there."
)
SET_MILESTONES = N_("Set milestones to {shown}")
RISES_AGAIN = N_("T_max is {T_max:,}: the learning rate rises again in the last {rest:,} of {length:,} iterations.")
NEVER_REACHES_ETA_MIN = N_("T_max is {T_max:,}, but the run has {length:,} iterations: the rate never reaches eta_min.")
SET_T_MAX = N_("Set T_max to {value:,}")
