"""Pictures like photos, each of its own: no two calls make the same bytes."""

import random

import pyvips

NOISE = 12


def photo(width: int, height: int, format: str = "jpg") -> bytes:
    """A smooth coloured picture with some noise, encoded; its colours and its noise are new each time."""
    seed = random.randrange(2**31)
    ramp = pyvips.Image.xyz(width, height) / [max(1, width), max(1, height)]
    bands = [(ramp[n % 2] * random.uniform(60, 200) + random.uniform(0, 55)) for n in range(3)]
    noise = pyvips.Image.gaussnoise(width, height, sigma=NOISE, seed=seed)
    picture = bands[0].bandjoin(bands[1:]) + noise
    data: bytes = picture.cast("uchar").copy(interpretation="srgb").write_to_buffer(f".{format}")
    return data


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height of one frame of an encoded picture."""
    picture = pyvips.Image.new_from_buffer(data, "")
    return picture.width, picture.get_page_height()
