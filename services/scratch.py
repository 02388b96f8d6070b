"""Files for decoders, which want a path."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from storage.base import StorageUnavailable


@contextmanager
def scratch_file() -> Iterator[IO[bytes]]:
    """A temporary file that goes with the context. A full disk is StorageUnavailable: it passes, and the request was right."""
    try:
        with tempfile.NamedTemporaryFile(prefix="progimage-") as file:
            yield file
    except OSError as error:
        raise StorageUnavailable("There is no room for temporary files.") from error
