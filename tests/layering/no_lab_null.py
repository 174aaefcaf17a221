#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""dwcp-gateway cannot be made to send in the clear: it holds nothing of the lab's unencrypted AEAD.

no_lab_null.py GATEWAY LAB_PROGRAM

Neither a symbol (nm) nor the name the provider goes by.  The same search must find both in a program that links the
lab's library, so that a renamed class does not make this test pass for nothing.
"""
import pathlib
import subprocess
import sys

NAMES = ['UnencryptedLabKey', 'UnencryptedLabProvider']
TEXT = b'UNENCRYPTED-LAB-ONLY'


def traces(path):
    symbols = subprocess.run(['nm', path], capture_output=True, text=True, check=True).stdout
    if not symbols.strip():
        sys.exit(f'{path}: no symbols, nothing can be told from it')
    found = [name for name in NAMES if name in symbols]
    return found + ([TEXT.decode()] if TEXT in pathlib.Path(path).read_bytes() else [])


gateway, lab = sys.argv[1:]
missing = set(NAMES + [TEXT.decode()]) - set(traces(lab))
if missing:
    sys.exit(f'{lab}: {sorted(missing)} not found, this test has lost its subject')
if 'main' not in subprocess.run(['nm', gateway], capture_output=True, text=True, check=True).stdout:
    sys.exit(f'{gateway}: has no main, is it a program?')
if traces(gateway):
    sys.exit(f'{gateway}: holds {traces(gateway)}: it must not link lab_null_crypto_dep')
print(f'{gateway}: nothing of the unencrypted AEAD')
