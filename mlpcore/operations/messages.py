"""Every sentence about backups."""

from mlpcore.messages import N_

WRITTEN = N_("{runs:,} runs and {sweeps:,} sweeps are in {file}, {size:,.1f} MB.")
RESTORED = N_("{added:,} runs were added, {there:,} were there already and stay as they are.")
FILE_EXISTS = N_("{file} exists already: name another file.")
FILE_CANNOT_BE_WRITTEN = N_("{file} cannot be written: {reason}.")
NO_BACKUP = N_("{file} is no backup that this program can read.")
