# SPDX-License-Identifier: Apache-2.0
"""A gateway of the lab: its configuration file, its process, and its telemetry socket."""
import json
import pathlib
import shutil
import socket
import time

from lab import LabError
from lab.pki import Pki
from lab.process import Process
from lab.sites import GATEWAY_ADDRESS, GATEWAY_ADDRESS_V6, PREFIX_BITS, WAN_INTERFACE, other

MEMORY_MIB = 512
_LCORES = "0@(0-1),1@(0-1)"
_REFUSED = "system calls were refused"
_CONFIG = """# SPDX-License-Identifier: Apache-2.0
schema = 1

[gateway]
name = "{name}"

[port]
device = "{device}"
mtu_bytes = {mtu}
{family} = "{address}/{prefix}"
vlan = {vlan}

[control]
runtime_dir = "{runtime}"
{control}

[security]
{credentials}
{security}

[[peer]]
name = "site-{far}"
address = "{far_address}"
{peer}
"""
_LISTENER = """
[[listener]]
name = "{name}"
listen = "{listen}"
peer = "site-{far}"
service = "{service}"
"""
_SERVICE = """
[[service]]
name = "{name}"
connect = "{connect}"
"""


class Gateway:
    """Context manager.  listeners: {name: (listen, service)}; services: {name: connect}; extra: more TOML; ipv6: speak
    IPv6 with the peer instead of IPv4; vlan: the 802.1Q id, 0 for none; vdev, lcores: EAL's --vdev and --lcores;
    credentials: TOML in place of a certificate of the lab's CA; security, control, peer: more lines of these tables;
    launcher: a command that starts it, such as setpriv; name: its own, in place of its site's."""

    def __init__(self, build, sites, site, work, listeners=(), services=(), extra="",
                 eal=("--no-huge", "-m", MEMORY_MIB), ipv6=False, vlan=0, vdev=None, lcores=_LCORES,
                 credentials=None, security="", control="", peer="", launcher=(), name=None):
        self.site = site
        self.name = name or f"site-{site}"
        self._build = build
        self.runtime = pathlib.Path(work) / f"run-{site}"
        self.runtime.mkdir(exist_ok=True)
        vdev = vdev or _vdev(sites.mtu)
        self.config_path = pathlib.Path(work) / f"{self.name}.toml"
        credentials = certified(Pki(build, pathlib.Path(work) / "pki"), self.name) if credentials is None else credentials
        self.config_path.write_text(render(site, sites.mtu, self.runtime, credentials, listeners, services, extra, ipv6, vlan,
                                           vdev.split(",")[0], security, control, peer, self.name))
        argv = [*launcher, build.tool("dwcp-gateway"), "--lcores", lcores, "--no-pci", "--vdev", vdev,
                *map(str, eal), "--", "--config", self.config_path]
        self.process = Process(f"gateway {self.name}", argv, pathlib.Path(work) / f"gateway-{site}.log",
                               sites.namespace[site])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        code = self.process.stop(grace_s=10)
        shutil.rmtree(self.runtime, ignore_errors=True)
        refused = [line for line in self.process.log_path.read_text(errors="replace").splitlines() if _REFUSED in line]
        if refused:
            raise LabError(f"gateway {self.name}: its system call filter lacks a call it makes:\n" + "\n".join(refused))
        return code

    def kill(self):
        self.process.kill()
        shutil.rmtree(self.runtime, ignore_errors=True)

    def wait_ready(self, deadline_s=30):
        """Until it takes migrations: started, and its peer's link up."""
        def ready():
            try:
                status = self.query("/dwcp/status") or {}
            except (OSError, ValueError):
                return False
            return status.get("ready") == 1 and status.get("peers_up", 0) >= 1
        self.process.wait_until(ready, deadline_s, "link up")

    def query(self, command):
        """The answer of one telemetry command (DPDK's v2 protocol: one packet asks, one answers)."""
        path = self.runtime / "dpdk" / f"dwcp-{self.name}" / "dpdk_telemetry.v2"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.settimeout(5)
            connection.connect(str(path))
            limit = json.loads(connection.recv(4096))["max_output_len"]
            connection.send(command.encode())
            answer = json.loads(connection.recv(limit + 4096))
        return answer[command.split(",")[0]]

    def migrations(self):
        """Every migration it still knows, oldest first."""
        return [self.query(f"/dwcp/migration,{number}") for number in self.query("/dwcp/migrations")]

    def wait_migration_end(self, deadline_s=20):
        """The newest migration, once completed or failed."""
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            known = self.migrations()
            if known and known[-1]["state"] in ("completed", "failed"):
                return known[-1]
            time.sleep(0.1)
        raise LabError(f"gateway {self.name}: the migration did not end within {deadline_s:g} s")


def _vdev(mtu):
    # af_packet rings of 8 or 9 MiB: 48 ms of full-size frames at 1 Gb/s, so that a gateway may be off the CPU that long
    # without loss.  The driver wants frames no larger than the gateway's buffers, which are the MTU in whole KiB.
    size, count, block = (2048, 4096, 65536) if mtu <= 1500 else (9216, 1024, 36864)
    return f"net_af_packet0,iface={WAN_INTERFACE},framesz={size},framecnt={count},blocksz={block}"


def certified(pki, name):
    """TOML of [security]: by a certificate of the CA."""
    certificate, key = pki.issue(name)
    return f'certificate = "{certificate}"\nprivate_key = "{key}"\nca = "{pki.ca}"'


def render(site, mtu, runtime, credentials, listeners=(), services=(), extra="", ipv6=False, vlan=0,
           device="net_af_packet0", security="", control="", peer="", name=None):
    far = other(site)
    addresses = GATEWAY_ADDRESS_V6 if ipv6 else GATEWAY_ADDRESS
    text = _CONFIG.format(name=name or f"site-{site}", far=far, mtu=mtu, family="ipv6" if ipv6 else "ipv4", address=addresses[site],
                          prefix=64 if ipv6 else PREFIX_BITS, vlan=vlan, device=device, far_address=addresses[far], runtime=runtime,
                          credentials=credentials, security=security, control=control, peer=peer)
    for name, (listen, service) in dict(listeners).items():
        text += _LISTENER.format(name=name, listen=listen, far=far, service=service)
    for name, connect in dict(services).items():
        text += _SERVICE.format(name=name, connect=connect)
    return text + extra
