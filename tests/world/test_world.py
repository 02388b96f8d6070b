"""The world itself: were it blind, every test in it would pass."""

import subprocess
import sys

from tests.world.world import World

SEND = """
import socket
for family, address, port in ((socket.AF_INET, "10.0.0.1", 6379), (socket.AF_INET, "8.8.8.8", 9), (socket.AF_INET6, "fd00:ec2::254", 80)):
    with socket.socket(family) as sender:
        sender.connect_ex((address, port))
for family, address in ((socket.AF_INET, "8.8.8.8"), (socket.AF_INET6, "2001:4860:4860::8888")):
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", (address, 53))
"""


def test_whatever_is_sent_to_any_address_is_seen(world: World) -> None:
    with world.watched() as seen:
        subprocess.run([*map(str, world.join), sys.executable, "-c", SEND], check=True, timeout=20)
    assert seen.peers == ["10.0.0.1:6379", "8.8.8.8:9", "[fd00:ec2::254]:80", "8.8.8.8:53", "[2001:4860:4860::8888]:53"]


def test_nothing_leaves_the_world(world: World) -> None:
    """Its only device is the loopback."""
    listed = subprocess.run([*map(str, world.join), "ip", "-o", "link"], check=True, capture_output=True, text=True).stdout
    assert [line.split(": ")[1].partition("@")[0] for line in listed.splitlines() if "state DOWN" not in line] == ["lo"]
