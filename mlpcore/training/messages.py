"""Every sentence for people about training: which device it uses, and what is odd about a schedule."""

from mlpcore.messages import N_

# The device, and why it was picked
NO_SUCH_DEVICE = N_("{field} is {value}: this machine has {options}.")
NO_ACCELERATOR = N_("Runs train on the CPU: this machine has no accelerator that torch can use.")
PASSED = N_("Runs train on {device}: a short test gave the same results there as on the CPU.")
DIFFERS = N_("Runs train on the CPU: in a short test, the results on {device} differed from those on the CPU.")
FAILS = N_("Runs train on the CPU: {device} failed in a short test. The server's log has the details.")
NAMED = N_("Runs train on {device}, as chosen.")

# Warnings about a schedule, each with the button that applies its fix
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
