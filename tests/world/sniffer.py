"""Every first packet of a connection and every datagram, seen on the wire itself: also those that nobody listens for."""

import ctypes
import socket
import struct
from collections.abc import Callable
from ipaddress import ip_address
from typing import NamedTuple

ETH_P_ALL, SO_ATTACH_FILTER, OUTGOING = 3, 26, 4
TCP, UDP = 6, 17
SYN, SYN_ACK = 0x02, 0x12
PORTS = struct.Struct("!HH")
Peer = tuple[str, int]


class Instruction(NamedTuple):
    """One step of classic BPF (kernel: Documentation/networking/filter.rst). The jumps count the steps that are left out."""

    code: int
    jump_true: int
    jump_false: int
    value: int


LOAD_BYTE, AND, EQUAL, GO, RETURN = 0x30, 0x54, 0x15, 0x05, 0x06
# The kernel leaves out what a body is made of: a flood of that would push the packets that count out of the socket's memory.
FILTER = (
    Instruction(LOAD_BYTE, 0, 0, 0),
    Instruction(AND, 0, 0, 0xF0),
    Instruction(EQUAL, 0, 5, 0x40),
    Instruction(LOAD_BYTE, 0, 0, 9),
    Instruction(EQUAL, 9, 0, UDP),
    Instruction(EQUAL, 0, 9, TCP),
    Instruction(LOAD_BYTE, 0, 0, 33),
    Instruction(GO, 0, 0, 4),
    Instruction(LOAD_BYTE, 0, 0, 6),
    Instruction(EQUAL, 4, 0, UDP),
    Instruction(EQUAL, 0, 4, TCP),
    Instruction(LOAD_BYTE, 0, 0, 53),
    Instruction(AND, 0, 0, SYN_ACK),
    Instruction(EQUAL, 0, 1, SYN),
    Instruction(RETURN, 0, 0, 0xFFFF),
    Instruction(RETURN, 0, 0, 0),
)


class Sniffer:
    """`saw` is called with where something came from, and where it was sent to: an address and a port each."""

    def __init__(self, saw: Callable[[Peer, Peer], None]) -> None:
        self._saw = saw
        self._known = set[tuple[str, int, str, int]]()
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.socket.setblocking(False)
        program = b"".join(struct.pack("HBBI", *step) for step in FILTER)
        kept = ctypes.create_string_buffer(program)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", len(FILTER), ctypes.addressof(kept)))

    def drain(self) -> None:
        """All that was sent up to now."""
        while True:
            try:
                packet, (_, _, kind, *_) = self.socket.recvfrom(128)
            except BlockingIOError:
                return
            # On the loopback device each packet goes out and comes in.
            if kind == OUTGOING:
                self._read(packet)

    def _read(self, packet: bytes) -> None:
        four = packet[0] >> 4 == 4
        protocol, addresses, header = (packet[9], 12, (packet[0] & 15) * 4) if four else (packet[6], 8, 40)
        if protocol not in (TCP, UDP):
            return
        length = 4 if four else 16
        source, to = (str(ip_address(packet[at : at + length])) for at in (addresses, addresses + length))
        source_port, port = PORTS.unpack_from(packet, header)
        seen = (source, source_port, to, port)
        # What is sent again because nobody answered is one attempt.
        if protocol == UDP or seen not in self._known:
            self._known.add(seen)
            self._saw((source, source_port), (to, port))
