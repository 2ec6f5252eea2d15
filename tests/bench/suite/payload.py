# SPDX-License-Identifier: MPL-2.0
"""What an update carries, as load/bench_payload.h writes it: number, time, publisher, and filler that follows from the
number. All of it but the time is determined, so that a value which a server holds is compared whole."""

DEFAULT_SIZE = 128  # octets, bench_load's --size
TIME = slice(8, 16)  # when it was sent
FILLER_FACTOR = 0x9e3779b97f4a7c15


def made(number, publisher, size):
    """An update's octets with a time of 0."""
    filler = ((number + 1) * FILLER_FACTOR % 2 ** 64).to_bytes(8, "little")
    head = number.to_bytes(8, "little") + bytes(8) + publisher.to_bytes(4, "little")
    return head + (filler * (size // 8))[:size - len(head)]


def number_of(octets):
    return int.from_bytes(octets[:8], "little") if octets and len(octets) >= 8 else None


def problem(octets, number, publisher, size):
    """What is wrong with a value that should be such an update; None when nothing is. None for octets or number: there
    is none, or should be none."""
    if number is None or number_of(octets) != number:
        return "is update %s, not %s" % (number_of(octets), number)
    wanted = made(number, publisher, size)
    if len(octets) != size:
        return "of update %d has %d octets, not %d" % (number, len(octets), size)
    differing = [i for i in range(size) if octets[i] != wanted[i] and i not in range(TIME.start, TIME.stop)]
    return "of update %d is damaged from octet %d on" % (number, differing[0]) if differing else None
