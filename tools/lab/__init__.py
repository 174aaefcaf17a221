# SPDX-License-Identifier: Apache-2.0
"""The lab: two sites in network namespaces, a link between them, gateways, guests.  Used by demo, bench and the
integration tests.  Everything it makes is a context manager and is gone when that ends, also on Ctrl-C."""


class LabError(Exception):
    """Something the person at the terminal can act on: one clear line."""
