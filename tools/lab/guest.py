# SPDX-License-Identifier: Apache-2.0
"""One QEMU: the running guest at the source, or the one that waits at the target.

QEMU connects to sockets the lab listens on, so that no byte of its output is missed.  ttyS0 is the console (ticks,
questions), ttyS1 the heartbeat.  Always TCG: see docs/TESTING.md."""
import itertools
import pathlib
import re
import socket

from lab import LabError
from lab.console import Console
from lab.process import Process
from lab.qmp import Qmp

RECORDS = 200_000
MEMORY_MIB = 1024
# Rewrites per second: about 30 MB/s of dirtied pages.
REWRITES_PER_S = 6000


class Guest:
    _serial = itertools.count(1)

    def __init__(self, name, image, work, namespace=None, incoming=False, memory_mib=MEMORY_MIB, records=RECORDS,
                 rewrites_per_s=REWRITES_PER_S):
        self.name = name
        self._question = itertools.count(1)
        stem = pathlib.Path(work) / f"{name}-{next(Guest._serial)}"
        listeners = {port: _listen(f"{stem}.{port}") for port in ("qmp", "console", "heart")}
        argv = ["qemu-system-x86_64", "-name", name, "-machine", "pc", "-accel", "tcg", "-cpu", "max", "-smp", "1",
                "-m", f"{memory_mib}M", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                # Touched at start: memory touched for the first time can be slow on a virtual host (FACTS), and that
                # is not what a migration measurement is about.
                "-object", f"memory-backend-ram,id=ram,size={memory_mib}M,prealloc=on",
                "-machine", "memory-backend=ram",
                "-kernel", image.kernel, "-initrd", image.initramfs,
                "-append", f"console=ttyS0 quiet panic=-1 records={records} rate={rewrites_per_s}"]
        for port in listeners:
            argv += ["-chardev", f"socket,id={port},path={stem}.{port}"]
        argv += ["-mon", "chardev=qmp,mode=control", "-serial", "chardev:console", "-serial", "chardev:heart"]
        if incoming:
            argv += ["-incoming", "defer"]
        self.process = Process(f"qemu {name}", argv, f"{stem}.log", namespace)
        try:
            connections = {port: self._accept(listener) for port, listener in listeners.items()}
            self.console = Console(connections["console"], f"{stem}.console.log")
            self.heart = Console(connections["heart"], f"{stem}.heart.log")
            self.qmp = Qmp(connections["qmp"], f"qemu {name}")
            self.qmp.command("migrate-set-capabilities", {"capabilities": [{"capability": "events", "state": True}]})
        except BaseException:
            self.process.kill()
            raise
        finally:
            for listener in listeners.values():
                listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def wait_ready(self, deadline_s=180):
        """Until Redis is loaded and the guest ticks; returns what it said of itself."""
        said = self.console.wait_line("READY ", deadline_s)
        if said is None:
            self.process.require_alive()
            raise LabError(f"guest {self.name} was not ready within {deadline_s} s; its console ends:\n"
                           + self.console.content().decode(errors="replace")[-600:])
        return said

    def ask(self, question, timeout_s=90):
        """keys, writes or check; the guest's answer.  LabError when it stays silent."""
        number = f"{self.name}-{next(self._question)}"
        start = self.console.bytes_now()
        self.console.send_line(f"ASK {number} {question}")
        answer = self.console.wait_line(f"ANSWER {number} ", timeout_s, start)
        if answer is None:
            raise LabError(f"guest {self.name} did not answer '{question}' within {timeout_s} s")
        return answer

    def check(self, timeout_s=180):
        """Every record read inside the guest: {"keys", "damaged", "revs", "writes"}."""
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", self.ask("check", timeout_s))}

    def running(self):
        return self.qmp.command("query-status")["running"]

    def stop(self):
        self.process.stop()
        self.console.close()
        self.heart.close()

    def _accept(self, listener):
        connection = None

        def connected():
            nonlocal connection
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                return False
            return True

        self.process.wait_until(connected, 60, "its start")
        connection.settimeout(None)
        return connection


def _listen(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    listener.settimeout(0.2)
    return listener
