#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""What `cmake --install` leaves is whole: every program, header, layout and page is there, each program says its version
and its help from any folder, and an installed broker is found by the installed tool."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

BUILD = os.environ["SB_BINARY_DIR"]
SOURCE = pathlib.Path(os.environ["SB_SOURCE_DIR"])
PROGRAMS = ("syncbus", "syncbusd", "syncbus-market", "syncbus-scanner", "syncbus-trader", "syncbus-risk",
            "syncbus-trainer")
FILES = ("include/syncbus.h", "share/bash-completion/completions/syncbus", "share/syncbus/syncbus.proto",
         "share/syncbus/PROTOCOL.md", "share/syncbus/layouts/README.md", "share/doc/syncbus/README.md", "share/doc/syncbus/CHANGELOG.md",
         "share/doc/syncbus/LICENSE")
START_SECONDS = 20


def run(*words, **options):
    return subprocess.run(words, text=True, capture_output=True, cwd="/", check=False, **options)


def check_files(tree, version):
    found = {str(path.relative_to(tree)) for path in tree.rglob("*") if not path.is_dir()}
    layouts = {"share/syncbus/layouts/" + path.name for path in (SOURCE / "agents/market/layouts").glob("*.zpl")}
    wanted = {"bin/" + name for name in PROGRAMS} | set(FILES) | layouts
    assert layouts and wanted <= found, f"not installed: {sorted(wanted - found)}"
    library = {name for name in found if name.startswith("lib")}
    assert {os.path.basename(name) for name in library} == {
        "libsyncbus.so", "libsyncbus.so." + version.split(".")[0], "libsyncbus.so." + version, "syncbus.pc"}, library
    assert found == wanted | library, f"installed, but nobody asked for it: {sorted(found - wanted - library)}"


def check_programs(tree, version):
    for name in PROGRAMS:
        path = str(tree / "bin" / name)
        answer = run(path, "--version")
        assert (answer.returncode, answer.stdout) == (0, f"{name} {version}\n"), f"{name} --version: {answer}"
        answer = run(path, "--help")
        assert answer.returncode == 0 and "--help" in answer.stdout and not answer.stderr, f"{name} --help: {answer}"
        assert run(path, "--no-such-option").returncode == 2, name
    listed = run(str(tree / "bin/syncbus-market"), "--list-layouts").stdout
    for path in (tree / "share/syncbus/layouts").glob("*.zpl"):
        assert path.stem in listed, f"{path.stem} is installed and not found"


def check_broker(tree, folder, version):
    ready = folder / "ready"
    free = "tcp://127.0.0.1:*"
    broker = subprocess.Popen([tree / "bin/syncbusd", "--ingress", free, "--publish", free, "--command", free,
                               "--state-dir", folder / "state", "--ready-file", ready],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready.exists():
            assert broker.poll() is None and time.monotonic() < deadline, "the installed broker does not serve"
            time.sleep(0.02)
        answer = run(tree / "bin/syncbus", "status", "--json", "--endpoint", json.loads(ready.read_text())["command"])
        assert answer.returncode == 0 and json.loads(answer.stdout)["records"][0]["version"] == version, answer
    finally:
        broker.send_signal(signal.SIGTERM)
        assert broker.wait(START_SECONDS) == 0


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tree = folder / "tree"
        answer = run("cmake", "--install", BUILD, "--prefix", tree)
        assert answer.returncode == 0, answer.stderr
        version = run(tree / "bin/syncbusd", "--version").stdout.split()[1]
        check_files(tree, version)
        check_programs(tree, version)
        check_broker(tree, folder, version)
    print("the installed tree is whole")
    return 0


if __name__ == "__main__":
    sys.exit(main())
