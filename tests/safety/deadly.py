"""What may go wrong in a child, in a module that a child imports at once."""

import signal

from transforms.errors import RenderTimeout
from transforms.watch import TOO_LONG


def crash(*_: object) -> None:
    signal.raise_signal(signal.SIGSEGV)


def be_late(*_: object) -> None:
    """As after the soft deadline."""
    raise RenderTimeout(TOO_LONG)
