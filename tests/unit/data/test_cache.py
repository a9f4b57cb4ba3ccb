"""The cache of decoded images, damaged in many ways."""

import random

import numpy as np

from mlpcore.data.cache import Arrays, cached_arrays

ARRAYS = Arrays(
    np.zeros((2, 3, 32, 32), np.uint8), np.array([0, 1]), np.ones((1, 3, 32, 32), np.uint8), np.array([1], np.int64)
)
HEADER = 128  # bytes of a .npy file before its numbers
SIGNS = b"()[]{}'\",:0123456789<>|uifOSV \n\t\\#"  # of what numpy writes there, and of Python


def damage(content: bytes, chance: random.Random) -> bytes:
    """Cut a file off, change bytes of its header, put some in, or make it begin as another kind of file."""
    damaged, place = bytearray(content), chance.randrange(HEADER)
    match chance.randrange(4):
        case 0:
            del damaged[chance.randrange(len(damaged)) :]
        case 1:
            for _ in range(chance.randint(1, 5)):
                damaged[chance.randrange(HEADER)] = chance.choice([*SIGNS, chance.randrange(256)])
        case 2:
            damaged[place:place] = bytes(chance.choices(SIGNS, k=chance.randint(1, 20)))
        case 3:
            damaged[:4] = chance.choice([b"PK\x03\x04", b"PK\x05\x06", b"\x80\x04\x95\x00"])
    return bytes(damaged)


def test_a_damaged_file_never_keeps_images_from_being_loaded(tmp_path):
    built = []

    def build() -> Arrays:
        built.append(1)
        return ARRAYS

    def load() -> Arrays:
        return cached_arrays(tmp_path, fingerprint="f", build=build)

    load()
    whole = {file: file.read_bytes() for file in tmp_path.iterdir()}
    chance = random.Random(0)
    for _ in range(200):
        file = chance.choice(sorted(whole))
        file.write_bytes(damage(whole[file], chance))
        assert len(load()) == 4
        file.write_bytes(whole[file])
    assert len(built) > 100
