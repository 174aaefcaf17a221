# SPDX-License-Identifier: Apache-2.0
"""What a running gateway may still do, and who may command it."""
import grp
import json
import os
import pathlib
import pwd
import signal
import socket
import stat
import subprocess

from lab.gateway import certified, render
from lab.pki import Pki
from labtest import eventually, expect
from test_stream import receive_all

EAL = ("--no-huge", "-m", "256", "--no-pci", "--lcores", "0@(0-1),1@(0-1)", "--vdev", "net_null0")
ENTRY = "tcp:127.0.0.1:4444"
EXIT = "tcp:127.0.0.1:4445"
USER = pwd.getpwnam("nobody")
GROUP = grp.getgrnam("games")  # of every Debian, and nobody is in it
AS_NOBODY = ("setpriv", f"--reuid={USER.pw_uid}", f"--regid={USER.pw_gid}")
STREAM_BYTES = 8 << 20
DENIED, OK, FAILED = 5, 0, 1


def threads(gateway):
    """Fields of /proc/PID/task/*/status, by thread name."""
    found = {}
    for path in pathlib.Path(f"/proc/{gateway.process.pid}/task").iterdir():
        try:
            lines = (path / "status").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended: one of a telemetry client
        fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        found[f"{fields['Name']}-{path.name}"] = fields
    return found


def expect_bare(gateway, uid, bounding=0):
    seen = threads(gateway)
    names = {name.rsplit("-", 1)[0] for name in seen}
    expect(any("edge" in name for name in names) and any("telemetry" in name for name in names) and len(seen) >= 6,
           f"the threads of all parts are there: {names}")
    for name, fields in seen.items():
        expect(set(fields["Uid"].split()) == {str(uid)}, f"{name}: {fields['Uid']}")
        for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            expect(int(fields[kind], 16) == 0, f"{name}: {kind} {fields[kind]}")
        expect(int(fields["CapBnd"], 16) == bounding, f"{name}: CapBnd {fields['CapBnd']}")
        expect(fields["NoNewPrivs"] == "1", f"{name}: NoNewPrivs")
        expect(fields["Seccomp"] == "2", f"{name}: Seccomp {fields['Seccomp']}")


def expect_no_dumps(gateway):
    limits = pathlib.Path(f"/proc/{gateway.process.pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size")).split()
    expect(core[4:6] == ["0", "0"], f"no core file: {core}")
    owner = os.stat(f"/proc/{gateway.process.pid}/mem").st_uid
    expect(owner == 0, f"not dumpable, so its memory is root's to read: {owner}")


def expect_stream_crosses(lab, near):
    listener = lab.listen(EXIT)
    client = lab.connect(ENTRY)
    client.sendall(bytes(STREAM_BYTES))
    client.shutdown(socket.SHUT_WR)
    server, _ = listener.accept()
    server.settimeout(30)
    expect(receive_all(server) == bytes(STREAM_BYTES), "all of it came")
    server.close()
    expect(near.wait_migration_end()["state"] == "completed", near.migrations())


def expect_clean_end(*gateways):
    for gateway in gateways:
        code = gateway.stop()
        expect(code == 0, f"{gateway.name}: exit code {code}: {gateway.process.log_tail()}")


def gateways(lab, **options):
    os.chmod(lab.work, 0o755)
    return lab.gateways(listeners={"in": (ENTRY, "vm")}, services={"vm": EXIT}, **options)


def log_of(gateway):
    return gateway.process.log_path.read_text(errors="replace")


def test_root_becomes_the_user_and_still_migrates(lab):
    near, far = gateways(lab, security=f'user = "{USER.pw_name}"')
    for gateway in (near, far):
        expect_bare(gateway, USER.pw_uid)
        expect_no_dumps(gateway)
    expect_stream_crosses(lab, near)
    expect_bare(near, USER.pw_uid)
    expect("running as root" not in log_of(near), log_of(near))
    expect_clean_end(near, far)


def test_root_without_a_user_loses_its_capabilities_and_is_warned(lab):
    near, far = gateways(lab)
    expect_bare(near, 0)
    expect_no_dumps(near)
    expect("set security.user" in log_of(near), log_of(near))
    expect_clean_end(near, far)


def test_who_asks_and_goes_ends_nothing(lab):
    near, _ = gateways(lab)
    path = near.runtime / "dpdk" / f"dwcp-{near.name}" / "dwcp_control.sock"
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as asker:
            asker.connect(str(path))
            asker.sendall(b'{"jsonrpc":"2.0","id":1,"method":"status"}\n' * 50)
    near.process.require_alive()
    expect(near.query("/dwcp/status")["ready"] == 1, "it answers as before")


def test_without_seccomp(lab):
    near, _ = gateways(lab, security="seccomp = false")
    expect(all(fields["Seccomp"] == "0" and fields["NoNewPrivs"] == "1" for fields in threads(near).values()), threads(near))


def test_started_as_the_user_with_two_capabilities(lab):
    """As packaging/systemd/dwcp-gateway@.service starts it."""
    lab.topology()
    os.chmod(lab.work, 0o755)
    launcher = (*AS_NOBODY, "--clear-groups", "--inh-caps=-all,+net_raw,+net_admin",
                "--ambient-caps=-all,+net_raw,+net_admin", "--bounding-set=-all,+net_raw,+net_admin", "--no-new-privs")
    for site in "ab":
        run = pathlib.Path(lab.work) / f"run-{site}"
        run.mkdir()
        os.chown(run, USER.pw_uid, USER.pw_gid)
    # 4 MiB of rings: they are locked, and a shell's limit for that is 8 MiB.  The unit lifts it.
    options = {"launcher": launcher, "vdev": "net_af_packet0,iface=wan0,framesz=2048,framecnt=1024,blocksz=65536"}
    pki = Pki(lab.build, pathlib.Path(lab.work) / "pki")
    for name in ("site-a", "site-b"):
        os.chown(pki.issue(name)[1], USER.pw_uid, USER.pw_gid)
    os.chmod(pki.folder, 0o755)
    near = lab.gateway("a", listeners={"in": (ENTRY, "vm")}, **options)
    far = lab.gateway("b", services={"vm": EXIT}, **options)
    near.wait_ready()
    far.wait_ready()
    net_admin, net_raw = 1 << 12, 1 << 13
    expect_bare(near, USER.pw_uid, bounding=net_admin | net_raw)
    expect_no_dumps(near)
    expect_stream_crosses(lab, near)
    expect_clean_end(near, far)


def refused_start(lab, fragment, security="", control="", user=None):
    path = pathlib.Path(lab.work) / "bad.toml"
    run = pathlib.Path(lab.work) / "run"
    run.mkdir(exist_ok=True)
    os.chmod(lab.work, 0o755)
    os.chmod(run, 0o777)
    path.write_text(render("a", 1500, run, certified(Pki(lab.build, run / "pki"), "site-a"), device="net_null0",
                           security=security, control=control))
    for file in (run / "pki", *(run / "pki").rglob("*")):
        os.chown(file, user or 0, 0)
    code, output = lab.run_gateway(*EAL, "--", "--config", path, user=user)
    lines = [line for line in output.splitlines() if fragment in line]
    expect(code == 1 and len(lines) == 1, f"one line says '{fragment}', exit code {code}: {output}")


def test_accounts_that_do_not_exist(lab):
    refused_start(lab, "no such user: no-such-user", security='user = "no-such-user"')
    refused_start(lab, "no such group: no-such-group", control='group = "no-such-group"')


def test_only_root_becomes_another_user(lab):
    refused_start(lab, "only root may become another user", security='user = "daemon"', user=USER.pw_uid)


def dwcpctl(lab, gateway, *words, groups=None):
    """(exit code, output) as root, or as nobody with these groups."""
    who = () if groups is None else (*AS_NOBODY, f"--groups={groups}" if groups else "--clear-groups")
    done = subprocess.run([*who, str(lab.build.tool("dwcpctl")), "--runtime-dir", str(gateway.runtime), "--gateway",
                           gateway.name, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
    return done.returncode, done.stdout


def call(gateway, method):
    """One call on the control socket, as this process."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(control_socket(gateway)))
        connection.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}).encode() + b"\n")
        return json.loads(connection.makefile().readline())


def control_socket(gateway):
    return gateway.runtime / "dpdk" / f"dwcp-{gateway.name}" / "dwcp_control.sock"


def test_who_may_ask_and_who_may_command(lab):
    near, _ = gateways(lab, security=f'user = "{USER.pw_name}"', control=f'group = "{GROUP.gr_name}"')
    for name in ("dwcp_control.sock", "dpdk_telemetry.v2"):
        found = os.stat(control_socket(near).parent / name)
        expect(stat.S_IMODE(found.st_mode) == 0o660 and found.st_gid == GROUP.gr_gid and found.st_uid == USER.pw_uid,
               f"{name}: {found}")
    # What reload answers is not looked at here, only that it was let through.
    for who in ({}, {"groups": str(GROUP.gr_gid)}):
        code, output = dwcpctl(lab, near, "reload", **who)
        expect(code in (OK, FAILED) and "no right" not in output, f"{who}: {code}: {output}")
        code, output = dwcpctl(lab, near, "status", **who)
        expect(code == OK, f"{who}: {code}: {output}")
    expect("command=reload uid=0" in log_of(near) and f"command=reload uid={USER.pw_uid}" in log_of(near), log_of(near))
    expect(call(near, "version")["result"]["pid"] == near.process.pid, "our own socket answers")
    expect(call(near, "status")["result"]["peers"][0]["name"] == "site-b", "and knows its peer")


def test_strangers_are_kept_out_by_the_file_and_by_their_credentials(lab):
    near, _ = gateways(lab, control=f'group = "{GROUP.gr_name}"')
    for words in (("reload",), ("status",)):
        code, output = dwcpctl(lab, near, *words, groups="")
        expect(code == DENIED, f"{words}: {code}: {output}")
    # Were the file open to all, commands still would not be.
    os.chmod(control_socket(near), 0o666)
    os.chmod(control_socket(near).parent / "dpdk_telemetry.v2", 0o666)
    code, output = dwcpctl(lab, near, "reload", groups="")
    expect(code == DENIED and f"uid {USER.pw_uid}" in output, f"{code}: {output}")
    eventually(lambda: f"refused a command: no right to it command=reload uid={USER.pw_uid}" in log_of(near), "a log line tells")
    code, output = dwcpctl(lab, near, "status", groups="")
    expect(code == OK, f"asking is what the file's mode decides: {code}: {output}")


def test_sighup_is_a_reload(lab):
    near, _ = gateways(lab)
    near.process.signal(signal.SIGHUP)
    eventually(lambda: "reload is done" in log_of(near), "the log tells of it")
    near.process.require_alive()


def test_a_reload_reads_as_the_user_it_has_become(lab):
    near, far = gateways(lab, security=f'user = "{USER.pw_name}"')
    code, output = dwcpctl(lab, near, "reload")
    expect(code == FAILED and "the credentials in use stay" in output, f"the key is root's: {code}: {output}")
    keys = list(pathlib.Path(lab.work).rglob("*.key"))
    for path in keys:
        os.chown(path, USER.pw_uid, USER.pw_gid)
        for folder in path.parents:
            if folder == pathlib.Path(lab.work):
                break
            os.chmod(folder, 0o755)
    code, output = dwcpctl(lab, near, "reload")
    expect(keys and code == OK and "loaded" in output, f"{keys}: {code}: {output}")
    expect_stream_crosses(lab, near)
    expect_clean_end(near, far)


def test_a_memif_port_connects_and_moves_data_under_the_filter(lab):
    """Its descriptors and shared memory come by a unix socket, after the filter is in place."""
    lab.topology()
    meeting = pathlib.Path(lab.work) / "memif.sock"
    far = lab.gateway("b", services={"vm": EXIT}, vdev=f"net_memif0,role=server,socket={meeting},socket-abstract=no")
    far.process.wait_until(lambda: "rights are given up" in log_of(far), 20, "confined")
    near = lab.gateway("a", listeners={"in": (ENTRY, "vm")},
                       vdev=f"net_memif0,role=client,socket={meeting},socket-abstract=no")
    near.wait_ready()
    far.wait_ready()
    expect_stream_crosses(lab, near)
    expect_clean_end(near, far)
