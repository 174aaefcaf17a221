# SPDX-License-Identifier: Apache-2.0
"""QEMU's machine protocol (docs/interop/qmp-spec): commands and events over a unix socket that QEMU connects to.

A reader thread takes everything in; events keep QEMU's own timestamp (the host's clock, seconds) and the monotonic
time of their arrival.  One thread at a time may call command()."""
import json
import queue
import threading
import time

from lab import LabError


class Event:
    def __init__(self, message):
        self.name = message["event"]
        self.data = message.get("data", {})
        stamp = message["timestamp"]
        self.at_s = stamp["seconds"] + stamp["microseconds"] / 1e6
        self.arrived_s = time.monotonic()


class Qmp:
    def __init__(self, connection, name):
        self._name = name
        self._socket = connection
        self._replies = queue.Queue()
        self._events = []
        self._changed = threading.Condition()
        self.closed = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.command("qmp_capabilities")

    def command(self, name, arguments=None, timeout_s=30):
        """Returns the reply; QEMU's refusal is a LabError with its words."""
        request = {"execute": name}
        if arguments:
            request["arguments"] = arguments
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            reply = self._replies.get(timeout=timeout_s)
        except (OSError, queue.Empty) as error:
            raise LabError(f"{self._name}: no answer to {name} ({type(error).__name__})") from None
        if reply is None:
            raise LabError(f"{self._name}: QEMU is gone (at {name})")
        if "error" in reply:
            raise LabError(f"{self._name}: {name}: {reply['error'].get('desc')}")
        return reply["return"]

    def events(self, name):
        with self._changed:
            return [event for event in self._events if event.name == name]

    def wait_event(self, name, timeout_s):
        """The first event of that name, waited for; None when it did not come."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed or any(event.name == name for event in self._events), timeout_s)
            return next((event for event in self._events if event.name == name), None)

    def _read(self):
        try:
            with self._socket.makefile("r", encoding="utf-8") as lines:
                for line in lines:
                    message = json.loads(line)
                    if "event" in message:
                        with self._changed:
                            self._events.append(Event(message))
                            self._changed.notify_all()
                    elif "return" in message or "error" in message:
                        self._replies.put(message)
        except (OSError, ValueError):
            pass
        with self._changed:
            self.closed = True
            self._changed.notify_all()
        self._replies.put(None)
