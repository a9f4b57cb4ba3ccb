"""Every sentence of exported scripts, and every reason why a file cannot be read."""

from mlpcore.messages import N_

# The titles of a script's cells
TITLES = {
    "set_up": N_("Set-up"),
    "drawing": N_("The drawing of Shapes"),
    "images": N_("Images"),
    "points": N_("Points"),
    "model": N_("Model"),
    "mini_batches": N_("Mini-batches"),
    "edits": N_("Edits"),
    "training_and_test": N_("Training and test"),
    "run": N_("Run"),
}

# The head of a script
WHAT = N_("A run of the MLP playground: {optimizer} on {dataset}, seed {seed}")
WHAT_WITH_SCHEDULER = N_("A run of the MLP playground: {optimizer} with {scheduler} on {dataset}, seed {seed}")
PROMISE = N_(
    "It trains on the CPU and prints the numbers that the playground measured there: the same to the last digit on the "
    "same machine with the same versions of torch and numpy. A GPU rounds differently."
)

# The comments of a script
COMMENTS = {
    "threads": N_(
        "The number of threads and the order of their sums decide the last digits; torch reads both when it starts."
    ),
    "generators": N_(
        "One random generator per purpose: a hyperparameter that draws more numbers does not change the other draws."
    ),
    "torchvision": N_(
        "With a torch without CUDA, torchvision lacks two operators, which reading images does not need."
    ),
    "split": N_("Without a test folder, a sixth of each class becomes the test set, the same on every machine."),
    "download_folder": N_(
        "The folder of the data set, which is downloaded if it is missing: name yours after the script."
    ),
    "image_folder": N_(
        "The folder that holds {dataset}/train/<class>/ and {dataset}/test/<class>/ with PNG or JPEG files: name yours "
        "after the script."
    ),
    "label_noise": N_("A share of {label_noise:g} of the training labels is replaced at random."),
    "subset": N_("In one random order, the first images are for training and the last ones for validation."),
    "sample": N_("The training images on which train_eval_loss and train_acc are measured."),
    "normalise": N_(
        "Each channel of the network's input has mean 0 and standard deviation 1 over the training images."
    ),
    "normalise_points": N_("Each coordinate has mean 0 and standard deviation 1 over all training points."),
    "products": N_(
        "oneDNN computed the large matrix products of the run. It rounds differently from torch's usual products, and "
        "its operator has no gradient of its own."
    ),
    "bfloat16": N_(
        "Training rounds the factors of each matrix product to bfloat16; weights, sums and the test stay float32."
    ),
    "no_onednn": N_("This torch does not have the operator: the last digits may differ."),
    "dropout": N_("Switches units off at random during training, and scales up the others to compensate."),
    "sampler": N_("Every epoch uses each image once, in a new order; a batch may span two epochs."),
    "test": N_("The mean loss and the accuracy, without dropout."),
    "changes": N_("The hyperparameters that were changed during the run, by the number of iterations done before."),
    "new_lr": N_("The learning rate continues as if the schedule had started with the new value."),
    "scaled_lr": N_("The learning rate is scaled: it keeps the drops that it has had."),
    "plateau": N_("The learning rate drops where this loss has stopped falling."),
}

# The report of runs
REPORT = {
    "runs": N_("Runs"),
    "curves": N_("Curves"),
    "differences": N_("What differs"),
    "recipe": N_("Recipe"),
    "evaluations": N_("Evaluations"),
    "changes": N_("Changes during the run"),
    "name": N_("name"),
    "state": N_("state"),
    "dataset": N_("data set"),
    "step": N_("iterations"),
    "best": N_("best test accuracy"),
    "best_step": N_("best step"),
    "final": N_("final test accuracy"),
    "train": N_("final train accuracy"),
    "test_loss": N_("final test loss"),
    "lesson": N_("lesson"),
    "note": N_("note"),
    "all": N_("all"),
    "starred": N_("starred"),
    "started": N_("started {moment} UTC"),
    "computing": N_("{seconds:,.1f} s of computing on {device}"),
    "not_measured": N_("Nothing was measured."),
}

# Why a file cannot be read
LARGE_RECIPE = N_("The file has {size:.1f} MB: a recipe has at most {most:.0f} MB.")
LARGE_FILE = N_("The file has {size:.0f} MB: at most {most:.0f} MB are read.")
NOT_OURS = N_("This file does not contain runs that this program saved: choose a JSON file from the History page.")
OTHER_VERSION = N_(
    "This file was written by another version of this program, and this one reads files up to version {version}: "
    "update this program."
)
DAMAGED = N_("The file is damaged at {where}: this part cannot be read.")
STEPS_OUT_OF_ORDER = N_("The file is damaged at {where}: the steps of its evaluations are not in ascending order.")
TOO_MANY_STEPS = N_("The file is damaged at {where}: it has more steps than its recipe.")

# Why a CSV file of another program cannot be read
NOT_A_CSV = N_("This is not a CSV file with a header line.")
NO_COLUMNS = N_('The file needs a column "step", and a column "train_loss" or "test_acc".')
TWO_COLUMNS = N_('The columns "{first}" and "{second}" mean the same: a file holds one run.')
NO_ROWS = N_("The file has a header line but no rows.")
MANY_ROWS = N_("The file has {count:,} rows: at most {most:,} are read.")
BAD_STEP = N_("Line {line}: step is {value}, expected a whole number above that of the row before.")
BAD_ACCURACY = N_("Line {line}: {field} is {value}, expected a number from 0 to 1.")
BAD_NUMBER = N_("Line {line}: {field} is {value}, expected a finite number.")
