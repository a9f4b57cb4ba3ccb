"""Every error of the command line's own, in sentences; the lines of help stand at their arguments."""

from mlpcore.messages import N_

# Why a file cannot be read
FILE_CANNOT_BE_READ = N_("{file} cannot be read: {reason}.")
NOT_JSON = N_("{file} is not JSON: {reason}.")
TOO_LONG = N_("{file} is too long: it may have at most {most:,} characters.")
