"""Sentences about schedules that are probably not meant, each with the label of the button that applies its fix."""

from mlpcore.messages import N_

READ_ONCE = N_("{optimizer} reads lr at its first iteration only: the schedule does nothing after it.")
LEAVE_OUT_SCHEDULE = N_("Leave the schedule out")
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
ENDS_BEFORE_DECAY = N_("The run ends after {length:,} iterations, before the decay begins: the rate never comes down.")
SET_STABLE_AND_DECAY = N_("Set stable_iters to {value:,}, decay_iters to {decay_iters:,}")
ENDS_IN_DECAY = N_("The run ends {late:,} iterations before the decay does: the rate does not come down to its end.")
SET_DECAY_ITERS = N_("Set decay_iters to {value:,}")
ENDS_ON_LINE = N_(
    "The line takes {total_iters:,} iterations, but the run has {length:,}: the rate does not reach its end."
)
SET_TOTAL_ITERS = N_("Set total_iters to {value:,}")
NEVER_OUT_OF_PATIENCE = N_(
    "With patience {patience:,}, the rate drops after {needed:,} evaluations at the earliest, but the run has only "
    "{count:,} before its end: the rate never drops."
)
SET_PATIENCE = N_("Set patience to {value:,}")
SET_EVALUATIONS = N_("Set eval_every to {every:,}, patience to {value:,}")
