"""How a listening socket ends without a loss.

What the kernel has accepted for a socket that is closed is reset, and nginx sends a POST that was reset to nobody else: it may have been
carried out. So before the end nobody new is let in, and those who are in already are taken on.
"""

import ctypes
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

# In which a handshake ends that has begun, and the event loop takes on what waits.
TAKEN_ON_SECONDS = 0.2
SO_ATTACH_FILTER = 26
# Classic BPF: what has the flag SYN is dropped, anything else passes. Who is dropped knocks again a second later and is refused then.
NOBODY_NEW = struct.pack("=" + "HBBI" * 4, 0x30, 0, 0, 13, 0x45, 0, 1, 0x02, 0x06, 0, 0, 0, 0x06, 0, 0, 0xFFFFFFFF)


def let_nobody_in(listener: socket.socket) -> None:
    """From now on nobody can connect; who is connected stays so. Where the system cannot do this, nothing happens."""
    if listener.family == socket.AF_UNIX:
        Path(listener.getsockname()).unlink(missing_ok=True)
    elif sys.platform == "linux":
        program = ctypes.create_string_buffer(NOBODY_NEW)
        with suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(NOBODY_NEW) // 8, ctypes.addressof(program)))
