"""Every sentence for people about data sets: why one cannot be used, and how far its download is."""

from mlpcore.messages import N_

# What a request must be
NOT_AN_OPTION = N_("{field} is {value}: it must be one of {options}.")
BAD_BATCH_SIZE = N_("{field} is {value}: it must be a whole number from 1 to {high:,}.")
BAD_TRAIN_SIZE = N_("{field} is {value:,}: it must be from 1 to {high:,}, the size of the training set.")
BAD_TRAIN_SIZE_WITH_VALIDATION = N_(
    "{field} is {value:,}: it must be from 1 to {high:,}, because {validation:,} of {total:,} images are held out."
)
BAD_LABEL_NOISE = N_("{field} is {value}: it must be from 0 to 1.")

# Why a published data set cannot be loaded
NOT_INSTALLED = N_(
    "{dataset} is not on this computer: download it where you choose the data set, or with 'python -m mlpcore "
    "data {name}'."
)
NO_ROOM_TO_UNPACK = N_("{dataset} could not be unpacked in the temporary folder ({reason}): free some space there.")
DAMAGED = N_("{folder} fails the md5 check of {dataset}: delete it and download {dataset} again.")

# What is wrong with a folder of images
NO_SPLIT = N_("{folder} has no folder '{split}': images belong in {split}/<class>/.")
BAD_NUMBER_OF_CLASSES = N_("{folder}/train needs 2 to {limit:,} folders of images, one per class: it has {count:,}.")
UNKNOWN_CLASS = N_(
    "{folder}/test has the class '{name}', which train does not have: add it to train, or remove it from test."
)
CLASS_WITHOUT_IMAGES = N_(
    "The class '{name}' has no images ({suffixes}) in {folder}/{split}: add some, or remove the class."
)
CLASS_WITH_ONE_IMAGE = N_(
    "The class '{name}' has only one image in {folder}/train. Add another, or a folder {folder}/test: "
    "without that folder, at least one image of each class is held out for testing."
)
TOO_MANY_IMAGES = N_("{folder} has more than {limit:,} images: remove some.")
FILE_CANNOT_BE_READ = N_("{file} cannot be read ({reason}): make it readable, or remove it.")
EMPTY_FILE = N_("{file} is empty: replace or remove it.")
NOT_AN_IMAGE = N_("{file} is not a readable image: replace or remove it.")
TOO_MANY_PIXELS = N_("{file} has more than {limit:,} pixels: make it smaller or remove it.")
NOT_A_PICTURE = N_("This file is not a readable picture: choose another PNG or JPEG.")
LARGE_PICTURE = N_("This picture has more than {limit:,} pixels: make it smaller.")
LARGE_PICTURE_FILE = N_("This file has {size:.1f} MB, and at most {most:.0f} MB are read: make the picture smaller.")
LINK_LEADS_OUT = N_("{file} is a link that leads out of the data set's folder: replace it with a copy of its target.")

# What a download is doing
WAITING = N_("Waiting: another process on this computer is downloading {dataset}.")
CONNECTING = N_("Connecting to {host}.")
DOWNLOADING = N_("Downloading {dataset} from {host}.")
CHECKING = N_("Checking the files of {dataset}.")
UNPACKING = N_("Unpacking {dataset}.")
DONE = N_("{dataset} is ready.")
FAILED = N_("{dataset} could not be downloaded because of an error in this program: see its log.")
CANCELLED = N_("The download of {dataset} was cancelled. The next one continues where this one stopped.")

# Why a download failed
UNEXPECTED_CONTENT = N_(
    "{file} does not contain the files of {dataset}, although its md5 is right. Please report this."
)
INCOMPLETE = N_(
    "{file} could not be downloaded completely from {hosts}. Try again: the download continues where it "
    "stopped. Or download {url} another way and put it into the data folder (MLPCORE_DATA)."
)
UNREACHABLE = N_(
    "{hosts} cannot be reached. Check the network and try again, or download {url} another way and put it "
    "into the data folder (MLPCORE_DATA)."
)
WRONG_MD5 = N_(
    "{file} from {hosts} has a wrong md5 and was deleted unopened. Try again later, or download {file} "
    "another way and put it into the data folder (MLPCORE_DATA)."
)
CANNOT_BE_STORED = N_(
    "{dataset} could not be stored ({reason}). Check the disk, or set MLPCORE_DATA to another folder, and try "
    "again: the download continues where it stopped."
)
FOLDER_IS_READ_ONLY = N_(
    "{dataset} cannot be stored: the data folder is not writable ({reason}). Make it writable, or set "
    "MLPCORE_DATA to another folder, and try again."
)
DISK_IS_FULL = N_(
    "The disk is full: {dataset} needs {megabytes:,} MB more. Free some space, or set MLPCORE_DATA to a folder "
    "on another disk, and try again."
)
