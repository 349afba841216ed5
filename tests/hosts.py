"""Hosts on this machine: network namespaces on a bridge, each with its own processes, mounts, name and ssh server.

All see the machine's files, but each has a home of its own, and its own place for Ray's sessions and shared memory.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

# What process 1 of a host does. Its mounts are seen by nobody else, and go with it.
INIT = """
set -e
hostname "$NAME"
mount --bind "$FOLDER/passwd" /etc/passwd
mount --bind "$FOLDER/ray" /tmp/ray
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mkdir /run/sshd
exec /usr/sbin/sshd -D -f /dev/null -h "$KEYS/id" -o AuthorizedKeysFile="$KEYS/id.pub" -o StrictModes=no -o UsePAM=no \\
    -o ListenAddress="$ADDRESS" -o PermitRootLogin=prohibit-password -o PasswordAuthentication=no -o PidFile=none \\
    -o MaxSessions=50 -o MaxStartups=50
"""


def missing() -> str | None:
    """What this machine lacks for it, if anything."""
    if os.geteuid():
        return "it needs root, to make network namespaces"
    tools = [tool for tool in ("ip", "unshare", "ssh", "ssh-keygen", "rsync") if not shutil.which(tool)]
    if not Path("/usr/sbin/sshd").exists():
        tools.append("sshd")
    if tools:
        return f"it needs {', '.join(tools)} (the packages iproute2, openssh-server, openssh-client and rsync)"
    name = f"try{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return f"network namespaces can't be made here: {made.stderr.strip()}" if made.returncode else None


class Hosts:
    """So many hosts, from `with` to its end.

    Attributes:
        addresses: one of each host.
        key: the private key that opens them all, to root.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._folder, self._tag = folder, secrets.token_hex(3)
        self._bridge = f"br{self._tag}"
        subnet = f"10.{77 + int(self._tag[:2], 16) % 100}.{int(self._tag[2:4], 16)}"
        self._gateway = f"{subnet}.254"
        self.addresses = [f"{subnet}.{number + 1}" for number in range(count)]
        self.key = folder / "id"
        self._hosts: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Hosts:
        try:
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
            Path("/tmp/ray").mkdir(exist_ok=True)
            _ip(f"link add {self._bridge} type bridge")
            _ip(f"addr add {self._gateway}/24 dev {self._bridge}")
            _ip(f"link set {self._bridge} up")
            for number, address in enumerate(self.addresses):
                self._start(f"h{number}{self._tag}", address)
            for address in self.addresses:
                self._await(address)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        for address in self._hosts:
            self.kill(address)
        for number in range(len(self.addresses)):
            name = f"h{number}{self._tag}"
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
            # A connection that the other side still holds would keep the link for minutes.
            subprocess.run(["ip", "link", "del", f"v{name}"], capture_output=True)
        subprocess.run(["ip", "link", "del", self._bridge], capture_output=True)

    def kill(self, address: str) -> None:
        """The power is gone."""
        self._hosts[address].send_signal(signal.SIGKILL)
        self._hosts[address].wait()

    def run(self, address: str, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command there, over ssh."""
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        ssh = ["ssh", "-i", str(self.key), *options, f"root@{address}", command]
        return subprocess.run(ssh, capture_output=True, text=True, timeout=60)

    def traces(self) -> list[str]:
        """What there still is of it on this machine."""
        found = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
        found += subprocess.run(["ip", "-oneline", "link"], capture_output=True, text=True).stdout
        found += subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True).stdout
        return [line for line in found.splitlines() if self._tag in line or str(self._folder) in line]

    def _start(self, name: str, address: str) -> None:
        folder = self._folder / name
        home = folder / "home"
        for made in (home, folder / "ray"):
            made.mkdir(parents=True)
        users = Path("/etc/passwd").read_text(encoding="utf-8").splitlines()
        root = [f"root:x:0:0:root:{home}:/bin/bash"]
        (folder / "passwd").write_text("\n".join([*root, *(user for user in users if not user.startswith("root:"))]))
        _ip(f"netns add {name}")
        _ip(f"link add v{name} type veth peer name eth0 netns {name}")
        _ip(f"link set v{name} master {self._bridge} up")
        # The route leads nowhere, but a host without one does not know its own address.
        route = f"route add default via {self._gateway}"
        for command in (f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up", route):
            _ip(f"-netns {name} {command}")
        unshare = ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"]
        settings = {"NAME": name, "FOLDER": str(folder), "KEYS": str(self._folder), "ADDRESS": address}
        self._hosts[address] = subprocess.Popen(
            ["ip", "netns", "exec", name, *unshare, "bash", "-c", INIT],
            env={"PATH": os.environ["PATH"], **settings}, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def _await(self, address: str) -> None:
        deadline = time.monotonic() + 20
        while (answer := self.run(address, "true")).returncode:
            assert time.monotonic() < deadline, answer.stderr
            time.sleep(0.2)


def _ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True)
