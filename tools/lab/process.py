# SPDX-License-Identifier: Apache-2.0
"""Child processes: started with a log file, watched, measured from /proc, ended with a deadline.

Only processes started here are ever signalled.  Every child asks the kernel to be killed when its parent dies, so a
killed lab leaves none behind."""
import ctypes
import os
import pathlib
import signal
import subprocess
import threading
import time

from lab import LabError

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_ticks_per_s = os.sysconf("SC_CLK_TCK")


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def in_namespace(namespace, argv):
    return ["ip", "netns", "exec", namespace, *argv] if namespace else list(argv)


def run(argv, namespace=None, timeout_s=60, check=True):
    """Runs a short command to its end; returns its output."""
    done = subprocess.run(in_namespace(namespace, map(str, argv)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", timeout=timeout_s)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(map(str, argv))}: exit code {done.returncode}: {done.stdout.strip()[-400:]}")
    return done.stdout


class Process:
    """A daemon of the lab.  stop() is idempotent; leaving the `with` stops it."""

    def __init__(self, name, argv, log_path, namespace=None, env=None):
        self.name = name
        self.argv = in_namespace(namespace, map(str, argv))
        self.log_path = pathlib.Path(log_path)
        self.peak_rss_bytes = 0
        self._cpu_s = 0.0
        with open(self.log_path, "wb") as log:
            self._child = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                           preexec_fn=_die_with_parent, start_new_session=True, env=env)
        self.pid = self._child.pid
        self._sampler_stop = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def exit_code(self):
        """None while it runs."""
        return self._child.poll()

    def log_tail(self, lines=8):
        text = self.log_path.read_text(errors="replace").strip()
        return "\n".join(text.splitlines()[-lines:]) or "(its log is empty)"

    def require_alive(self):
        if self.exit_code is not None:
            raise LabError(f"{self.name} ended with exit code {self.exit_code}:\n{self.log_tail()}")

    def wait_until(self, condition, deadline_s, what):
        """Polls condition() until it is true; a dead process or a passed deadline is a LabError."""
        end = time.monotonic() + deadline_s
        while not condition():
            self.require_alive()
            if time.monotonic() > end:
                raise LabError(f"{self.name}: {what} did not happen within {deadline_s:g} s:\n{self.log_tail()}")
            time.sleep(0.02)

    def wait(self, timeout_s):
        try:
            return self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name} still runs after {timeout_s:g} s") from None

    def signal(self, number):
        if self.exit_code is None:
            self._child.send_signal(number)

    def stop(self, grace_s=5):
        """SIGTERM, then SIGKILL; returns the exit code."""
        self._sampler_stop.set()
        self._read_proc()
        self.signal(signal.SIGTERM)
        try:
            self._child.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self._child.wait(10)
        return self._child.returncode

    def kill(self):
        self._sampler_stop.set()
        self._read_proc()
        self.signal(signal.SIGKILL)
        self._child.wait(10)

    def cpu_s(self):
        """User and system time of all its threads, living and ended, in seconds; the last known when it is gone."""
        self._read_proc()
        return self._cpu_s

    def rss_bytes(self):
        """Resident now, hugepages left out."""
        self.require_alive()
        fields = pathlib.Path(f"/proc/{self.pid}/status").read_text().split("VmRSS:", 1)[1]
        return int(fields.split()[0]) * 1024

    def _read_proc(self):
        if self._child.returncode is not None:
            return
        try:
            fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
            self._cpu_s = max(self._cpu_s, (int(fields[11]) + int(fields[12])) / _ticks_per_s)
            for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
                # VmHWM leaves hugepages out; HugetlbPages counts them.
                if line.startswith("VmHWM:"):
                    resident = int(line.split()[1]) * 1024
                elif line.startswith("HugetlbPages:"):
                    self.peak_rss_bytes = max(self.peak_rss_bytes, resident + int(line.split()[1]) * 1024)
        except (OSError, UnboundLocalError, IndexError):
            pass  # it ended between two reads

    def _sample(self):
        while not self._sampler_stop.wait(0.5):
            self._read_proc()
