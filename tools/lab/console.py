# SPDX-License-Identifier: Apache-2.0
"""A guest's serial port: every byte kept with the monotonic time it arrived, lines searchable, input possible.

The bytes of a source and of its target, one after the other, are the port's whole output: a line may begin at one and
end at the other."""
import bisect
import threading
import time


class Console:
    def __init__(self, connection, log_path):
        self._socket = connection
        self._log = open(log_path, "wb", buffering=0)
        self._changed = threading.Condition()
        self._bytes = bytearray()
        self._ends = []      # byte count after each chunk
        self._times_s = []   # when that chunk arrived
        self._closed = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send_line(self, text):
        self._socket.sendall(text.encode() + b"\n")

    def content(self):
        with self._changed:
            return bytes(self._bytes)

    def bytes_now(self):
        with self._changed:
            return len(self._bytes)

    def time_of(self, offset):
        """When the byte at that offset arrived."""
        with self._changed:
            return self._times_s[bisect.bisect_right(self._ends, offset)]

    def wait_line(self, prefix, timeout_s, start=0):
        """The rest of the first whole line after `start` that begins with prefix; None when none came."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for line in bytes(self._bytes[start:]).decode(errors="replace").split("\n")[:-1]:
                    if line.rstrip("\r").startswith(prefix):
                        return line.rstrip("\r")[len(prefix):]
                left_s = deadline - time.monotonic()
                if left_s <= 0 or self._closed:
                    return None
                self._changed.wait(left_s)

    def wait_count(self, text, count, timeout_s):
        """Until text has come that often; false when it did not."""
        with self._changed:
            return self._changed.wait_for(lambda: self._bytes.count(text) >= count, timeout_s)

    def close(self):
        self._reader.join(2)
        self._log.close()

    def _read(self):
        while True:
            try:
                chunk = self._socket.recv(65536)
            except OSError:
                chunk = b""
            with self._changed:
                if chunk:
                    self._bytes += chunk
                    self._ends.append(len(self._bytes))
                    self._times_s.append(time.monotonic())
                else:
                    self._closed = True
                self._changed.notify_all()
            if not chunk:
                return
            self._log.write(chunk)
