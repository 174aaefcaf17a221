# SPDX-License-Identifier: Apache-2.0
"""What one core carries: two ends over net_memif, one lcore each, no emulation, beside testpmd over the same memif.

  transport   dwcp-core at both ends: the gateway's port, net role and loop, with a source and a sink in the codec's place.
              Cycles are of the time-stamp counter, per data packet, of rounds that found work; "driver" is what of them the
              memif driver took, which copies every packet between the processes: a NIC would not.  A row for each of --ciphers,
              their runs by turns; "none" is the lab's checksum in place of a cipher, which no gateway has.
  testpmd     io-forward at both ends, 256 packets going round: the limit of memif itself.  A packet is one taken and one sent.
  gateway     two dwcp-gateways, net and codec roles on one lcore, one opaque stream of random bytes end to end.  The edges,
              the sender and the receiver share the same two cores.

Medians of --runs.  Two virtual CPUs may share a cache or not, and the host may change that: memif's cost, which is moving
cache lines between the two cores, then changes several times over.  Compare rows of one run."""
import contextlib
import functools
import json
import os
import pathlib
import shutil
import statistics
import time

from lab import LabError
from lab.gateway import Gateway
from lab.process import Process
from lab.report import table
from lab.stream import transfer
from lab.workspace import Workspace

TOOLS = ("dwcp-core", "dwcp-gateway", "dwcp-bench")
ENTRY = "tcp:127.0.0.1:4446"
EXIT = "tcp:127.0.0.1:4447"
_MEMORY = ("--no-huge", "-m", "256", "--no-pci")
_ETHERNET_BYTES = 14
_NO_CIPHER = "UNENCRYPTED-LAB-ONLY"
_TESTPMD_BURSTS = 8
# What memif drops at its own end of the gateway rows is the sender's to wait for, so polling never sleeps there.
_GATEWAY_CONFIG = """
[lcores]
idle_sleep_max_us = 0

[codec]
level = "none"
"""


def add_arguments(parser):
    parser.add_argument("--mtu", type=lambda text: tuple(map(int, text.split(","))), default=(1500, 9000),
                        metavar="N,N", help="default 1500,9000")
    parser.add_argument("--seconds", type=float, default=5, metavar="S", help="of each run (default %(default)s)")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="default %(default)s")
    parser.add_argument("--ciphers", type=lambda text: tuple(text.split(",")), default=("none", "aes-128-gcm"), metavar="N,N",
                        help="of none, aes-128-gcm, aes-256-gcm, chacha20-poly1305 (default none,aes-128-gcm)")
    parser.add_argument("--only", choices=("transport", "testpmd", "gateway"), help="leave the others out")
    parser.add_argument("--realtime", action="store_true",
                        help="run dwcp-core and testpmd under SCHED_RR: figures of a quiet machine on a busy one, which "
                             "stands still meanwhile")


def run(arguments, build, reporter):
    if len(os.sched_getaffinity(0)) < 2:
        raise LabError("two cores are needed, one for each end")
    rows = []
    transport = {f"transport, {cipher}": functools.partial(_transport, cipher=cipher) for cipher in arguments.ciphers}
    groups = {"transport": transport, "testpmd": {"testpmd": _testpmd}, "gateway": {"gateway": _gateway}}
    for mtu in arguments.mtu:
        for name, ways in groups.items():
            if arguments.only in (None, name):
                rows += _measure(ways, mtu, arguments, build, reporter)
    reporter.line()
    for text in table(("way", "MTU", "Gb/s", "(least, most)", "packets/s", "cycles/packet sender", "of it driver",
                       "receiver", "of it driver", "lost"), [_cells(row) for row in rows]):
        reporter.line("  " + text)
    return {"seconds": arguments.seconds, "rows": rows}


def _measure(ways, mtu, arguments, build, reporter):
    """A row for each way: their runs by turns, so that what the machine does meanwhile meets them all."""
    runs = {name: [] for name in ways}
    for number in range(arguments.runs):
        for name, way in ways.items():
            reporter.progress(f"{name}, MTU {mtu}: run {number + 1} of {arguments.runs}")
            with Workspace(arguments.keep_logs, f"core-{name.split(', ')[-1]}-{mtu}-{number}") as work:
                runs[name].append(way(build, pathlib.Path(work), mtu, arguments))
    rows = [{"way": name, "mtu": mtu, **_medians(done), "runs": done} for name, done in runs.items()]
    for row in rows:
        reporter.step(f"{row['way']}, MTU {mtu}: {_cells(row)[2]} Gb/s")
    return rows


def _medians(runs):
    return {key: statistics.median(run[key] for run in runs) for key in runs[0] if isinstance(runs[0][key], (int, float))}


def _cells(row):
    def whole(key):
        return f"{row[key]:.0f}" if key in row else "-"
    rates = [run["gbps"] for run in row["runs"]]
    return (row["way"], row["mtu"], f"{row['gbps']:.2f}", f"({min(rates):.2f}, {max(rates):.2f})",
            f"{row['packets_per_s'] / 1e6:.2f} M", whole("sender_cycles"), whole("sender_driver_cycles"),
            whole("receiver_cycles"), whole("receiver_driver_cycles"), whole("lost"))


def _memif(work, role):
    # Sockets have short names: a path of the workspace may be longer than an address of a socket can be.
    return f"net_memif0,role={role},id=0,socket={work / 'm'},socket-abstract=no,bsize=10240"


def _scheduled(arguments, argv):
    return ["chrt", "--rr", "1", *argv] if arguments.realtime else argv


def _environment(work):
    return {**os.environ, "RUNTIME_DIRECTORY": str(work)}


def _transport(build, work, mtu, arguments, cipher):
    def end(role, memif, core):
        argv = [build.tool("dwcp-core"), "-l", core, *_MEMORY, "--vdev", _memif(work, memif), "--", role, "--mtu", mtu,
                "--seconds", arguments.seconds, "--cipher", _NO_CIPHER if cipher == "none" else cipher]
        return Process(f"dwcp-core {role}", _scheduled(arguments, argv), work / f"{role}.log", env=_environment(work))

    def result(process):
        for line in process.log_path.read_text(errors="replace").splitlines():
            if line.startswith("{"):
                return json.loads(line)
        return None
    with end("sink", "server", 1) as sink:
        sink.wait_until((work / "m").exists, 20, "its start")
        with end("source", "client", 0) as source:
            for process in (source, sink):
                process.wait_until(lambda: result(process) is not None, arguments.seconds + 30, "its window")
            for process in (source, sink):
                process.signal(10)  # SIGUSR1: stop polling
            for process in (source, sink):
                process.wait_until(lambda: "stopped" in process.log_path.read_text(errors="replace"), 5, "its stop")
        sent, received = result(source), result(sink)
    return {"gbps": received["frame_gbps"], "packets_per_s": received["packets"] / received["seconds"],
            "sender_cycles": sent["cycles_per_packet"], "sender_driver_cycles": sent["port_cycles_per_packet"],
            "receiver_cycles": received["cycles_per_packet"],
            "receiver_driver_cycles": received["port_cycles_per_packet"], "lost": sent["lost"],
            "source": sent, "sink": received}


class _Testpmd(Process):
    """testpmd with its prompt on a FIFO."""

    def __init__(self, work, name, memif, core, arguments):
        fifo = work / f"{name}.in"
        os.mkfifo(fifo)
        argv = ["dpdk-testpmd", "--lcores", f"0@{core},1@{core}", "--file-prefix", name, *_MEMORY, "--vdev",
                _memif(work, memif), "--", "-i", "--mbuf-size=10240", "--total-num-mbufs=4096", "--forward-mode=io",
                "--no-flush-rx", "--record-core-cycles"]
        super().__init__(f"testpmd {name}", ["sh", "-c", f'exec "$@" < {fifo}', "sh", *_scheduled(arguments, argv)],
                         work / f"{name}.log", env=_environment(work))
        self._prompt = open(fifo, "w", buffering=1)
        self.wait_until(lambda: "testpmd>" in self.log_path.read_text(errors="replace"), 20, "its prompt")

    def say(self, *lines):
        for line in lines:
            self._prompt.write(line + "\n")

    def __exit__(self, *_):
        self.quit()
        self.stop()

    def quit(self):
        """Its figures are in the log only when it has ended."""
        with contextlib.suppress(BrokenPipeError, ValueError):
            self.say("quit")
            self._prompt.close()
        with contextlib.suppress(LabError):
            self.wait(5)

    def result(self, before):
        """The number that stands behind `before` for the last time."""
        text = self.log_path.read_text(errors="replace")
        if before not in text:
            raise LabError(f"{self.name} says nothing of '{before}':\n{self.log_tail()}")
        return float(text.rsplit(before, 1)[1].split()[0])


def _testpmd(_build, work, mtu, arguments):
    if shutil.which("dpdk-testpmd") is None:
        raise LabError("dpdk-testpmd is not installed (Debian package dpdk)")
    with _Testpmd(work, "first", "server", 0, arguments) as first, _Testpmd(work, "second", "client", 1, arguments) as second:
        # The client offers its buffers when it polls: it begins.
        time.sleep(1)
        second.say("start")
        time.sleep(0.3)
        first.say(f"set txpkts {mtu + _ETHERNET_BYTES}", f"start tx_first {_TESTPMD_BURSTS}")
        begun_s = time.monotonic()
        time.sleep(arguments.seconds)
        lasted_s = time.monotonic() - begun_s
        first.say("stop")
        time.sleep(0.3)
        second.say("stop")
        time.sleep(1)  # a memif forgets what it has carried when the other end goes
        for end in (first, second):
            end.quit()
        packets = first.result("RX-packets:")
        return {"gbps": packets * mtu * 8 / lasted_s / 1e9, "packets_per_s": packets / lasted_s,
                "sender_cycles": first.result("CPU cycles/packet="), "receiver_cycles": second.result("CPU cycles/packet=")}


class _Here:
    """In place of lab.sites.Sites: both sites are this machine itself, with no network between but the memif."""

    def __init__(self, mtu):
        self.mtu = mtu
        self.namespace = {"a": None, "b": None}


def _gateway(build, work, mtu, arguments):
    here = _Here(mtu)
    with contextlib.ExitStack() as stack:
        def gateway(site, role, core, **options):
            return stack.enter_context(Gateway(build, here, site, work, extra=_GATEWAY_CONFIG, vdev=_memif(work, role),
                                               lcores=f"0@(0-1),1@{core}", **options))
        far = gateway("b", "server", 1, services={"bench": EXIT})
        far.process.wait_until((work / "m").exists, 20, "its start")
        near = gateway("a", "client", 0, listeners={"bench": (ENTRY, "bench")})
        near.wait_ready()
        far.wait_ready()
        before = near.query("/dwcp/port")
        began_s = time.monotonic()
        result = transfer(build, here, work, EXIT, ENTRY, seconds=arguments.seconds)
        packets = near.query("/dwcp/port")["tx_packets"] - before["tx_packets"]
        lasted_s = time.monotonic() - began_s
        peer = near.query("/dwcp/peer,site-b")
        near.process.signal(15)
    if not result.intact:
        raise LabError("the stream came damaged")
    return {"gbps": result.goodput_mbps() / 1e3, "packets_per_s": packets / lasted_s, "lost": peer["packets_lost"],
            "link_state": peer}
