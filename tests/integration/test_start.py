# SPDX-License-Identifier: Apache-2.0
"""Starting and stopping: one clear line for each thing that is wrong, and an orderly end."""
import os
import pathlib
import signal
import time

from lab.gateway import certified, render
from lab.pki import Pki
from lab.process import Process
from labtest import Skip, expect

EAL = ("--no-huge", "-m", "256", "--no-pci", "--lcores", "0@(0-1),1@(0-1)", "--vdev", "net_null0")
NOBODY = 65534


def write(lab, text):
    path = pathlib.Path(lab.work) / "bad.toml"
    path.write_text(text)
    return path


def expect_one_line(lab, text, *fragments):
    """Refused before anything starts: exit code not 0, and one line that names file and key."""
    path = write(lab, text)
    code, output = lab.run_gateway(*EAL, "--", "--config", path)
    expect(code != 0, f"exit code {code}")
    lines = [line for line in output.splitlines() if str(path) in line]
    expect(len(lines) == 1, f"one line names the file, not {len(lines)}:\n{output}")
    for fragment in fragments:
        expect(fragment in lines[0], f"'{fragment}' in: {lines[0]}")


def good(lab):
    return render("a", 1500, lab.work, certified(Pki(lab.build, lab.work / "pki"), "site-a"))


def test_unknown_key(lab):
    expect_one_line(lab, good(lab) + "\n[transport]\nspeed = 5\n", "speed")


def test_bad_unit(lab):
    expect_one_line(lab, good(lab) + "\n[transport]\nkeepalive_ms = \"1s\"\n", "keepalive_ms")


def test_bad_syntax(lab):
    expect_one_line(lab, good(lab) + "\n[transport\n")


def test_no_peer_at_all(lab):
    text = good(lab).replace("net_af_packet0", "net_null0")
    text = text[:text.index("[[peer]]")]
    path = write(lab, text)
    argv = [lab.build.tool("dwcp-gateway"), *EAL, "--", "--config", path]
    with Process("gateway without peers", argv, pathlib.Path(lab.work) / "alone.log") as process:
        process.wait_until(lambda: "gateway is up" in process.log_tail(40), 20, "its start")
        time.sleep(0.5)
        process.require_alive()
        expect(process.stop() == 0, process.log_tail())


def test_missing_file(lab):
    path = pathlib.Path(lab.work) / "nothing.toml"
    code, output = lab.run_gateway(*EAL, "--", "--config", path)
    expect(code != 0 and str(path) in output, f"{code}: {output}")


def test_missing_port(lab):
    path = write(lab, good(lab))  # names net_af_packet0, which the EAL arguments do not make
    code, output = lab.run_gateway(*EAL, "--", "--config", path)
    lines = [line for line in output.splitlines() if "net_af_packet0" in line]
    expect(code != 0 and len(lines) == 1, f"{code}: {output}")


def test_no_rights(lab):
    path = write(lab, good(lab))
    os.chmod(lab.work, 0o755)
    eal = [word if word != "net_null0" else "net_af_packet0,iface=lo" for word in EAL]
    code, output = lab.run_gateway(*eal, "--", "--config", path, user=NOBODY)
    lines = [line for line in output.splitlines() if "dwcp-gateway" in line or "error" in line.lower()]
    expect(code != 0 and lines, f"{code}: {output}")
    rights = ("permission", "privilege", "rights", "cap_", "root", "not permitted")
    expect(any(word in output.lower() for word in rights), output)


def test_no_hugepages_falls_back_and_says_so(lab):
    if int(pathlib.Path("/proc/sys/vm/nr_hugepages").read_text()) > 0:
        raise Skip("this machine has hugepages reserved")
    lab.topology()
    near = lab.gateway("a", eal=())
    far = lab.gateway("b", eal=())
    near.wait_ready()
    far.wait_ready()
    expect("huge" in near.process.log_path.read_text(), "the log says so")


def test_sigterm_ends_it_in_order(lab):
    near, far = lab.gateways()
    near.process.signal(signal.SIGTERM)
    expect(near.process.wait(10) == 0, near.process.log_tail())
    far.process.require_alive()
