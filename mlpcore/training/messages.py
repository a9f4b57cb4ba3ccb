"""Every sentence for people about training: which device it uses, and what a replay finds."""

from mlpcore.messages import N_

# The device, and why it was picked
NO_SUCH_DEVICE = N_("{field} is {value}: this machine has {options}.")
NO_BFLOAT16 = N_("{field} is {value}: {device} does not multiply such numbers here. Choose float32.")
NO_ACCELERATOR = N_("Runs train on the CPU: this machine has no accelerator that torch can use.")
PASSED = N_("Runs train on {device}: a short test gave the same results there as on the CPU.")
DIFFERS = N_("Runs train on the CPU: in a short test, the results on {device} differed from those on the CPU.")
FAILS = N_("Runs train on the CPU: {device} failed in a short test. The server's log has the details.")
NAMED = N_("Runs train on {device}, as chosen.")

# Replays
REPLAY_NOT_YET = N_("This appears when the run is over: it is computed from the run's recipe, trained once more.")
NOTHING_TO_REPLAY = N_("This run was never evaluated, so there is nothing to show.")
NOT_REPEATABLE = N_(
    "This run cannot be repeated here: it was trained with another version of torch, numpy or Python, on another "
    "processor or device, or with other matrix products. So only what was stored of it can be shown."
)
REPLAY_DIFFERS = N_(
    "At step {step:,} the replayed network is not the one that this run had: its images have changed since, or it was "
    "trained elsewhere. So nothing of it can be computed here."
)
