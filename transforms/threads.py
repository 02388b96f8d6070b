"""Threads that cannot be started, because the system's limit is reached: whose work needs them is not to blame for that."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from transforms.errors import NoThreads

# All that CPython says of it.
CANNOT_START = "can't start new thread"
# More than libvips starts for one picture.
A_CHILDS = 10


@contextmanager
def threads_needed() -> Iterator[None]:
    """NoThreads when a thread could not be started within."""
    try:
        yield
    except RuntimeError as error:
        if str(error) != CANNOT_START:
            raise
        raise no_threads() from error


def no_threads() -> NoThreads:
    return NoThreads("The server can start no more threads at the moment: try again soon.")


def check_threads(number: int) -> None:
    """NoThreads when so many more cannot be started now."""
    over = threading.Event()
    try:
        with threads_needed():
            for _ in range(number):
                threading.Thread(target=over.wait, daemon=True).start()
    finally:
        over.set()
