# SPDX-License-Identifier: MPL-2.0
"""The machine that was measured on, and whether it had anything else to do."""
import ctypes
import os
import platform
import time

BUSY_SHARE = 0.1  # of all cores, before anything was started
LOOK_S = 1.0


def first_field(path, key):
    """The value of the first line `key : value` of a file."""
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name.strip() == key:
                    return value.strip()
    except OSError:
        pass
    return "unknown"


def libzmq_version():
    try:
        library = ctypes.CDLL("libzmq.so.5")
    except OSError:
        return "unknown"
    numbers = [ctypes.c_int() for _ in range(3)]
    library.zmq_version(*[ctypes.byref(number) for number in numbers])
    return ".".join(str(number.value) for number in numbers)


def protobuf_c_version():
    try:
        library = ctypes.CDLL("libprotobuf-c.so.1")
    except OSError:
        return "unknown"
    library.protobuf_c_version.restype = ctypes.c_char_p
    return library.protobuf_c_version().decode()


def system_name():
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            values = dict(line.rstrip().split("=", 1) for line in file if "=" in line)
        return values.get("PRETTY_NAME", "unknown").strip('"')
    except OSError:
        return "unknown"


def ticks():
    """(busy, all) ticks of all cores so far."""
    with open("/proc/stat", encoding="ascii") as file:
        numbers = [int(number) for number in file.readline().split()[1:9]]
    return sum(numbers) - numbers[3] - numbers[4], sum(numbers)


def busy_share(seconds=LOOK_S):
    """The share of all cores that was in use for that long. This process sleeps meanwhile."""
    busy, total = ticks()
    time.sleep(seconds)
    busy_after, total_after = ticks()
    return (busy_after - busy) / max(1, total_after - total)


def describe():
    memory = first_field("/proc/meminfo", "MemTotal").split()
    return {"cpu": first_field("/proc/cpuinfo", "model name"), "cores": os.cpu_count(),
            "memory_gib": round(int(memory[0]) / 1048576, 1) if memory and memory[0].isdigit() else None,
            "kernel": platform.release(), "system": system_name(), "libzmq": libzmq_version(),
            "protobuf_c": protobuf_c_version(),
            "load": [round(load, 2) for load in os.getloadavg()], "busy_before": round(busy_share(), 3)}


def warning(machine):
    """What is to be said when the machine was busy before the first run; None when it was not."""
    if machine["busy_before"] <= BUSY_SHARE:
        return None
    return ("the machine was busy before the first run (%d %% of its cores, load %s): these figures are noise" %
            (round(100 * machine["busy_before"]), machine["load"][0]))
