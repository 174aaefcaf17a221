# SPDX-License-Identifier: Apache-2.0
"""What the person at the terminal sees: one live line on a terminal, plain lines elsewhere, tables."""
import os
import shutil
import sys
import time

_PLAIN_EVERY_S = 5


class Reporter:
    def __init__(self, stream=sys.stdout):
        self._stream = stream
        self._live = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._shown = ""
        self._last_plain_s = 0.0
        self._begun_s = time.monotonic()

    def step(self, text):
        """A line that stays."""
        self._clear()
        self._print(f"[{time.monotonic() - self._begun_s:5.1f} s] {text}")

    def line(self, text=""):
        self._clear()
        self._print(text)

    def progress(self, text):
        """A line that is written over; off a terminal every few seconds one that stays."""
        if self._live:
            text = text[:shutil.get_terminal_size().columns - 1]
            self._stream.write("\r" + text + " " * max(0, len(self._shown) - len(text)))
            self._stream.flush()
            self._shown = text
        elif time.monotonic() - self._last_plain_s >= _PLAIN_EVERY_S:
            self._last_plain_s = time.monotonic()
            self._print("  " + text)

    def _clear(self):
        if self._shown:
            self._stream.write("\r" + " " * len(self._shown) + "\r")
            self._shown = ""

    def _print(self, text):
        self._stream.write(text + "\n")
        self._stream.flush()


def table(head, rows):
    """Left column left-aligned, the others right; returns the lines."""
    cells = [list(map(str, row)) for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = []
    for row in cells:
        parts = [cell.ljust(width) if column == 0 else cell.rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(parts).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return lines


def megabytes(count):
    return f"{count / 1e6:.0f} MB" if count < 10e9 else f"{count / 1e9:.1f} GB"
