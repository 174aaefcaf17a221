# SPDX-License-Identifier: Apache-2.0
"""Who is let in: by certificate, by a shared key, and who not, for the reason that the judging gateway tells."""
import pathlib
import shutil
import socket
import time

from lab.gateway import certified
from lab.link import LinkSpec
from lab.pki import Pki
from lab.process import run
from labtest import eventually, expect
from test_path_mtu import Transfer
from test_stream import ends_within

ENTRY = "tcp:127.0.0.1:4444"
EXIT = "tcp:127.0.0.1:4445"
# A refused initiator waits half a second, then a second, and so on to five.
RETRIED_WITHIN_S = 12


def site_pki(lab):
    return Pki(lab.build, pathlib.Path(lab.work) / "pki")


class Papers:
    """A gateway's certificate and key, at a place of their own where they can be exchanged."""

    def __init__(self, lab, name):
        folder = pathlib.Path(lab.work) / f"papers-{name}"
        folder.mkdir(exist_ok=True)
        self._pki = site_pki(lab)
        self._certificate, self._key = folder / "own.crt", folder / "own.key"

    def put(self, certificate, key):
        for source, place in ((certificate, self._certificate), (key, self._key)):
            shutil.copy(source, place)
            place.chmod(0o600)

    def toml(self):
        return f'certificate = "{self._certificate}"\nprivate_key = "{self._key}"\nca = "{self._pki.ca}"'


def pair(lab, near=None, far=None):
    """Both started; neither waited for.  near, far: what is special about site a and site b."""
    if lab.sites is None:
        lab.topology(LinkSpec(rate_mbps=200, rtt_ms=10, loss=0))
    return (lab.gateway("a", listeners={"in": (ENTRY, "vm")}, **(near or {})),
            lab.gateway("b", services={"vm": EXIT}, **(far or {})))


def peer(gateway):
    return gateway.query(f"/dwcp/peer,{gateway.query('/dwcp/peers')[0]}")


def started(gateway):
    def answers():
        try:
            return (gateway.query("/dwcp/status") or {}).get("state") == "running"
        except (OSError, ValueError):
            return False
    gateway.process.wait_until(answers, 20, "its start")


def expect_kept_out(lab, near, far, judge, fragments, told_other=()):
    """The link is not up, `judge` says why, and nothing that a hypervisor says gets across.  told_other: what the other
    gateway makes of it."""
    for gateway in (near, far):
        started(gateway)

    def says(gateway, parts):
        reason = lab.ctl(gateway, "peers")["peers"][0]["reason"]
        return reason if all(part in reason for part in parts) else None

    other = near if judge is far else far
    try:
        eventually(lambda: says(judge, fragments), "the judge tells why", RETRIED_WITHIN_S)
        eventually(lambda: says(other, told_other), "the other is told", RETRIED_WITHIN_S)
    except AssertionError as error:
        raise AssertionError(f"{error}: {peer(near)['reason']} | {peer(far)['reason']}") from None
    with lab.listen(EXIT) as listener:
        listener.settimeout(0.3)
        expect(turned_away(lab), "a hypervisor is turned away")
        try:
            listener.accept()
            raise AssertionError("something reached the far hypervisor")
        except TimeoutError:
            pass
    for gateway in (near, far):
        state = lab.ctl(gateway, "peers")["peers"][0]
        expect(state["state"] != "up" and state["packets_rx"] == 0, state)
    expect(peer(judge)["handshakes"] == 0, peer(judge))
    expect(far.migrations() == [], far.migrations())


def turned_away(lab):
    try:
        client = lab.connect(ENTRY)
        client.sendall(b"let me in")
        return ends_within(client, 3)
    except ConnectionError:  # before it was done saying so
        return True


def expect_let_in(*gateways):
    for gateway in gateways:
        gateway.wait_ready(RETRIED_WITHIN_S)


def expect_crosses(lab):
    with Transfer(lab, 1):
        pass


def test_a_certificate_of_another_ca(lab):
    lab.topology()
    papers = Papers(lab, "site-a")
    papers.put(*Pki(lab.build, pathlib.Path(lab.work) / "elsewhere").issue("site-a"))
    near, far = pair(lab, near={"credentials": papers.toml()})
    expect_kept_out(lab, near, far, far, ("is from another CA: its issuer",), ("from a CA that the peer does not trust",))
    papers.put(*site_pki(lab).issue("site-a"))
    lab.ctl(near, "reload")
    expect_let_in(near, far)
    expect_crosses(lab)


def test_a_certificate_for_another_name(lab):
    """site-c of the same CA, at site a's address."""
    lab.topology()
    near, far = pair(lab, near={"name": "site-c"})
    expect_kept_out(lab, near, far, far, ("is for site-c, expected was DNS name site-a",), ("does not pass there, by its name perhaps",))
    near.stop()
    near = lab.gateway("a", listeners={"in": (ENTRY, "vm")})
    expect_let_in(near, far)
    expect_crosses(lab)


def issue_until(lab, name, end):
    """(certificate, key) by the lab's CA, valid until that moment; dwcpctl pki counts in days."""
    pki = site_pki(lab)
    certificate, key = pki.issue(name)
    folder = pathlib.Path(lab.work) / "short"
    (folder / "new").mkdir(parents=True)
    (folder / "index").touch()
    (folder / "serial").write_text("77\n")
    (folder / "ca.cnf").write_text(f"""[ca]
default_ca = site
[site]
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}/new
default_md = sha256
policy = any
[any]
commonName = optional
[leaf]
subjectAltName = DNS:{name}
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
basicConstraints = CA:FALSE
[req]
distinguished_name = nobody
[nobody]
""")
    run(["openssl", "req", "-new", "-config", folder / "ca.cnf", "-key", key, "-subj", f"/CN={name}", "-out", folder / "csr"])
    run(["openssl", "ca", "-batch", "-notext", "-config", folder / "ca.cnf", "-cert", pki.ca, "-keyfile", pki.folder / "ca.key",
         "-extensions", "leaf", "-in", folder / "csr", "-out", folder / "short.crt", "-startdate", utc(time.time() - 60),
         "-enddate", utc(end)])
    return folder / "short.crt", key


def utc(moment):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(moment))


def test_an_expired_certificate(lab):
    lab.topology()
    papers = Papers(lab, "site-a")
    end = int(time.time()) + 4
    papers.put(*issue_until(lab, "site-a", end))
    near = lab.gateway("a", listeners={"in": (ENTRY, "vm")}, credentials=papers.toml())
    started(near)
    time.sleep(max(0, end + 1.1 - time.time()))
    far = lab.gateway("b", services={"vm": EXIT})
    expect_kept_out(lab, near, far, far, ("its certificate", "expired on"), ("has expired by the peer's clock",))
    refused = run([lab.build.tool("dwcpctl"), "--runtime-dir", near.runtime, "--gateway", near.name, "reload"], check=False)
    expect("expired on" in refused and "the credentials in use stay" in refused, refused)
    papers.put(*site_pki(lab).issue("site-a"))
    lab.ctl(near, "reload")
    expect_let_in(near, far)
    expect_crosses(lab)


def test_revoked_while_the_link_is_up(lab):
    lab.topology(LinkSpec(rate_mbps=100, rtt_ms=10, loss=0))
    papers = Papers(lab, "site-a")
    pki = site_pki(lab)
    papers.put(*pki.issue("site-a"))
    pki.command("crl", "--dir", pki.folder)
    crl = pki.folder / "ca.crl"
    near, far = pair(lab, near={"credentials": papers.toml()}, far={"security": f'crl = "{crl}"'})
    expect_let_in(near, far)
    lab.ctl(far, "reload")
    time.sleep(0.5)
    expect(peer(far)["state"] == "up", f"a list that does not name the peer changes nothing: {peer(far)}")
    listener, client = lab.listen(EXIT), lab.connect(ENTRY)
    client.sendall(b"x" * 100_000)
    server, _ = listener.accept()
    server.recv(1000)
    pki.command("revoke", "site-a", "--dir", pki.folder)
    answer = lab.ctl(far, "reload")
    expect("was revoked by" in str(answer), answer)
    for connection in (client, server):
        expect(drained_within(connection, 5), "what runs over the link ends with it")
    for gateway in (near, far):
        expect(gateway.wait_migration_end()["state"] == "failed", gateway.migrations())
    eventually(lambda: "was revoked by" in peer(far)["reason"], "the judge tells why", RETRIED_WITHIN_S)
    eventually(lambda: "was revoked" in peer(near)["reason"], "the revoked one is told", RETRIED_WITHIN_S)
    time.sleep(1)
    expect(all(peer(gateway)["state"] != "up" for gateway in (near, far)), "and it stays so")
    papers.put(*pki.issue("site-a", "--force"))
    lab.ctl(near, "reload")
    expect_let_in(near, far)


def drained_within(connection, limit_s):
    end = time.monotonic() + limit_s
    connection.settimeout(limit_s)
    try:
        while time.monotonic() < end:
            if connection.recv(1 << 16) == b"":
                return True
    except ConnectionError:
        return True
    except TimeoutError:
        pass
    return False


def test_certificates_are_changed_under_a_running_stream(lab):
    """On both sides while 100 Mb/s cross, and again: new keys are agreed on, and the receiver sees no gap."""
    lab.topology(LinkSpec(rate_mbps=100, rtt_ms=10, loss=0))
    papers = {name: Papers(lab, name) for name in ("site-a", "site-b")}
    pki = site_pki(lab)
    for name, own in papers.items():
        own.put(*pki.issue(name))
    near, far = pair(lab, *({"credentials": papers[name].toml()} for name in papers))
    expect_let_in(near, far)
    sessions = [peer(gateway)["session_id"] for gateway in (near, far)]
    with Transfer(lab, 110) as transfer:
        eventually(lambda: transfer.received() > 4 << 20, "the transfer runs")
        longest_s = 0
        for step, gateway in enumerate((near, far, near)):
            before = [peer(each)["rekeys"] for each in (near, far)]
            papers[gateway.name].put(*pki.issue(gateway.name, "--force"))
            lab.ctl(gateway, "reload")
            longest_s = max(longest_s, longest_gap_s(transfer, 0.8))
            eventually(lambda: all(peer(each)["rekeys"] > count for each, count in zip((near, far), before)),
                       f"new keys after change {step}", 8)
        expect(transfer.received() < 110 << 20, "all of it happened while the transfer ran")
    expect(longest_s < 0.25, f"no gap: {longest_s:.3f} s")
    expect([peer(gateway)["session_id"] for gateway in (near, far)] == sessions, "it is the same session")
    expect(peer(far)["epoch"] >= 3 and peer(far)["forgeries"] == 0, peer(far))
    expect(far.wait_migration_end()["digest_verified"] == "match", far.migrations())


def longest_gap_s(transfer, over_s):
    """The longest time in which nothing was received."""
    end = time.monotonic() + over_s
    last, since, longest = transfer.received(), time.monotonic(), 0.0
    while (now := time.monotonic()) < end:
        got = transfer.received()
        if got != last:
            last, since = got, now
        longest = max(longest, now - since)
        time.sleep(0.002)
    return longest


def shared_key(lab, name):
    path = pathlib.Path(lab.work) / name
    site_pki(lab).command("psk", path)
    return {"credentials": "", "peer": f'psk_file = "{path}"'}


def test_a_shared_key_lets_in_and_another_does_not(lab):
    lab.topology()
    ours, another = shared_key(lab, "ours.psk"), shared_key(lab, "another.psk")
    near, far = pair(lab, another, ours)
    expect_kept_out(lab, near, far, far, ("the peer's pre-shared key is not ours",), ("its keys or the gateways' names differ",))
    near.stop()
    near = lab.gateway("a", listeners={"in": (ENTRY, "vm")}, **ours)
    expect_let_in(near, far)
    expect(peer(far)["tls"] == "psk", peer(far))
    expect_crosses(lab)


def test_a_certificate_where_a_shared_key_is_wanted(lab):
    lab.topology()
    near, far = pair(lab, None, shared_key(lab, "ours.psk"))
    expect_kept_out(lab, near, far, far, ("shows no pre-shared key, but peer.psk_file is set",), ("the peer refused",))
