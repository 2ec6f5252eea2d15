# SPDX-License-Identifier: MPL-2.0
"""Has the npm packages of package.json in a folder of the build, or ends the test as skipped, saying so loudly.

Several tests may ask at once: a lock file lets one install while the others wait. Packages' own install scripts are
not run; zeromq brings what it needs prebuilt.
"""
import fcntl
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT_S = 240


def skip(why):
    print("=" * 78)
    print("SKIPPED, NOT TESTED: %s" % why)
    print("=" * 78)
    sys.exit(77)


def is_usable(folder):
    probe = "require ('protobufjs'); require ('zeromq').version"
    return subprocess.run(["node", "-e", probe], cwd=folder, capture_output=True).returncode == 0


def install(folder):
    try:
        done = subprocess.run(["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund",
                               "--fetch-retries", "1", "--fetch-retry-mintimeout", "1000",
                               "--fetch-retry-maxtimeout", "5000"],
                               cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        skip("npm install did not end within %d s" % TIMEOUT_S)
    if done.returncode != 0:
        skip("npm install failed:\n" + done.stderr[-2000:])


def node_environment():
    """The environment in which node finds the packages."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            skip("there is no %s on this machine" % program)
    folder = os.path.join(os.environ["SB_BINARY_DIR"], "tests", "interop", "node")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.copy(os.path.join(HERE, "package.json"), folder)
        if not is_usable(folder):
            install(folder)
        if not is_usable(folder):
            skip("npm installed zeromq and protobufjs, but node cannot load them")
    return dict(os.environ, NODE_PATH=os.path.join(folder, "node_modules"))
