# SPDX-License-Identifier: Apache-2.0
"""Whether the machine that runs at the target is the one that ran at the source.  Each check is a sentence and a
verdict; nothing is taken for granted, and a silent guest is a failed check."""
import dataclasses
import time

from lab import LabError
from lab.guest import RECORDS


@dataclasses.dataclass
class Check:
    what: str
    good: bool
    detail: str


def wait_ticking(target, ticks=2, deadline_s=30):
    """Until the guest has ticked that often at the target; false when it did not."""
    return target.console.wait_count(b"TICK ", ticks, deadline_s)


def checks(source, target, records=RECORDS):
    """The guest's side: ticks, heartbeat, Redis."""
    return [_ticks(source, target), _heartbeat(source, target), *_redis(target, records)]


def _numbers(source, target, port, prefix):
    text = getattr(source, port).content() + getattr(target, port).content()
    lines = text.decode(errors="replace").replace("\r", "").split("\n")[:-1]
    return [int(line[len(prefix):].split()[0]) for line in lines
            if line.startswith(prefix) and line[len(prefix):len(prefix) + 1].isdigit()]


def _sequence(what, numbers, at_target):
    wrong = [(left, right) for left, right in zip(numbers, numbers[1:]) if right != left + 1]
    if not numbers or not at_target:
        return Check(what, False, "none came at the target")
    if numbers[0] != 1 or wrong:
        return Check(what, False, f"broken after {wrong[0][0]}: {wrong[0][1]} followed" if wrong else
                     f"began with {numbers[0]}")
    return Check(what, True, f"{numbers[-1]}, the last {at_target} at the target")


def _ticks(source, target):
    numbers = _numbers(source, target, "console", "TICK ")
    return _sequence("no tick lost or repeated", numbers, target.console.content().count(b"TICK "))


def _heartbeat(source, target):
    numbers = _numbers(source, target, "heart", "")
    return _sequence("no heartbeat lost or repeated", numbers, target.heart.content().count(b"\n"))


def _redis(target, records):
    try:
        keys = int(target.ask("keys"))
        found = target.check()
        before = int(target.ask("writes"))
        time.sleep(1)
        later = int(target.ask("writes"))
    except (LabError, ValueError, OSError) as error:
        return [Check("Redis answers at the target", False, str(error))]
    return [
        Check("Redis holds every key", keys == found.get("keys") == records, f"{keys} of {records}"),
        Check("every record is whole", found.get("damaged") == 0, f"{found.get('damaged')} damaged"),
        Check("every rewrite is there", found.get("revs") == found.get("writes"),
              f"{found.get('revs')} of {found.get('writes')}"),
        Check("rewriting goes on", later > before, f"{later - before} since"),
    ]


def heartbeat_pause_ms(source, target, outcome, around_s=2):
    """The longest silence of the heartbeat between around_s before STOP and around_s after RESUME: what somebody who
    talks to the guest would notice.  The two ports are read on one clock."""
    arrivals = []
    for guest in (source, target):
        content = guest.heart.content()
        offset = content.find(b"\n")
        while offset >= 0:
            arrivals.append(guest.heart.time_of(offset))
            offset = content.find(b"\n", offset + 1)
    first_s, last_s = outcome.stop_at_s - around_s, outcome.resume_at_s + around_s
    near = sorted(at for at in arrivals if first_s <= at <= last_s)
    gaps = [right - left for left, right in zip(near, near[1:])]
    return max(gaps) * 1000 if gaps else None
