# SPDX-License-Identifier: Apache-2.0
"""Sockets of this process inside a namespace: a socket stays in the namespace it was made in."""
import contextlib
import ctypes
import os
import socket

_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def namespace(name):
    """This thread is in the namespace meanwhile."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{name}") as there:
        _set(there.fileno())
        try:
            yield
        finally:
            _set(home.fileno())


def make_socket(name, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
    with namespace(name):
        made = socket.socket(family, kind, protocol)
    made.settimeout(20)
    return made


def _set(descriptor):
    if _libc.setns(descriptor, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")
