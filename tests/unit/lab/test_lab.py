# SPDX-License-Identifier: Apache-2.0
"""The lab's own judgement: it must not call a broken migration good, nor count a failed test as passed."""
import argparse
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tools"))

from lab import bench_fairness, link, report, stream, test as tiers, verify  # noqa: E402


class Port:
    def __init__(self, text, times=None):
        self._bytes = text.encode()
        self._times = times or [0.0] * len(self._bytes)

    def content(self):
        return self._bytes

    def time_of(self, offset):
        return self._times[offset]


class Machine:
    def __init__(self, console="", heart="", times=None):
        self.console = Port(console)
        self.heart = Port(heart, times)


class Ticks(unittest.TestCase):
    def ticks(self, source, target):
        return verify._ticks(Machine(source), Machine(target)).good

    def test_continuous_across_the_move(self):
        self.assertTrue(self.ticks("boot\nTICK 1 5\r\nTICK 2 6\r\n", "TICK 3 7\r\n"))

    def test_line_split_by_the_move(self):
        self.assertTrue(self.ticks("TICK 1 5\nTIC", "K 2 6\nTICK 3 7\n"))

    def test_lost(self):
        self.assertFalse(self.ticks("TICK 1 5\n", "TICK 3 7\n"))

    def test_repeated(self):
        self.assertFalse(self.ticks("TICK 1 5\nTICK 2 6\n", "TICK 2 6\nTICK 3 7\n"))

    def test_silent_target(self):
        self.assertFalse(self.ticks("TICK 1 5\nTICK 2 6\n", ""))

    def test_restarted_guest(self):
        self.assertFalse(self.ticks("TICK 1 5\nTICK 2 6\n", "TICK 1 5\nTICK 2 6\n"))


class Pause(unittest.TestCase):
    def test_longest_silence_near_the_move(self):
        source = Machine(heart="1\n2\n", times=[9.0, 9.0, 10.0, 10.0])
        target = Machine(heart="3\n4\n", times=[10.7, 10.7, 10.71, 10.71])

        class Outcome:
            stop_at_s, resume_at_s = 10.1, 10.6
        # 9.0 to 10.0 is a silence too, but of the running guest: it counts, for users notice it.
        self.assertAlmostEqual(verify.heartbeat_pause_ms(source, target, Outcome), 1000)
        self.assertAlmostEqual(verify.heartbeat_pause_ms(source, target, Outcome, around_s=0.5), 700)


class Goodput(unittest.TestCase):
    def evaluate(self, seconds, bytes_at, total, sent=None, intact=True):
        source = {"began_ns": 1_000_000_000, "ended_ns": 0, "bytes": total if sent is None else sent}
        sink = {"began_ns": 1_500_000_000, "ended_ns": 4_000_000_000, "bytes": total, "intact": intact,
                "sample_ns": 1_000_000_000, "bytes_at": bytes_at}
        return stream._evaluate(source, sink, seconds)

    def test_counts_from_the_senders_first_moment(self):
        result = self.evaluate(2.5, [100, 200], 300)
        self.assertEqual(result.window_bytes, 200)
        self.assertAlmostEqual(result.goodput_mbps(), 200 * 8 / 2.5 / 1e6)

    def test_whole_transfer(self):
        self.assertAlmostEqual(self.evaluate(None, [100, 200], 300).goodput_mbps(), 300 * 8 / 3 / 1e6)

    def test_short_or_damaged_is_not_intact(self):
        self.assertTrue(self.evaluate(2, [300], 300).intact)
        self.assertFalse(self.evaluate(2, [300], 300, sent=301).intact)
        self.assertFalse(self.evaluate(2, [300], 300, intact=False).intact)


class Counting(unittest.TestCase):
    def count(self, body):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(f'<testsuites><testsuite name="s">{body}</testsuite></testsuites>')
            file.flush()
            tally = tiers._count_junit(file.name)
        return tally.passed, tally.failed, tally.skipped

    def test_junit(self):
        self.assertEqual(self.count('<testcase name="a"/><testcase name="b"><failure/></testcase>'
                                    '<testcase name="c"><skipped/></testcase><testcase name="d"><error/></testcase>'),
                         (1, 2, 1))

    def test_integration(self):
        tally = tiers._count_integration("[ passed ] a (1 s)\n[ failed ] b\n    [ passed ] quoted\n[skipped ] c\n")
        self.assertEqual((tally.passed, tally.failed, tally.skipped), (1, 1, 1))

    def test_unittest(self):
        tally = tiers._count_unittest("FAIL: x\nRan 5 tests in 1s\n\nFAILED (failures=1, errors=1, skipped=1)\n")
        self.assertEqual((tally.passed, tally.failed, tally.skipped), (2, 2, 1))


class Arguments(unittest.TestCase):
    def test_loss(self):
        self.assertAlmostEqual(link._fraction("0.1%"), 0.001)
        self.assertAlmostEqual(link._fraction("0.001"), 0.001)
        for bad in ("1", "-1%", "100%", "x"):
            with self.assertRaises(argparse.ArgumentTypeError):
                link._fraction(bad)

    def test_table_aligns(self):
        self.assertEqual(report.table(("way", "s"), [("abcd", 10), ("x", 5)]), ["way    s", "----  --", "abcd  10", "x      5"])


class Fairness(unittest.TestCase):
    def judge(self, rates, rtt_ms=90.0, intact=True):
        cell = {"goodput_mbps": rates, "rtt_ms_mean": rtt_ms, "intact": intact}
        return bench_fairness.judge(cell, {"rtt_ms_mean": 80.0}, 50)

    def test_even(self):
        cell = self.judge([20.0, 20.0, 20.0])
        self.assertEqual((cell["share"], cell["tcp_shares"], cell["jain"], cell["faults"]), (1.0, [1.0, 1.0], 1.0, []))
        self.assertAlmostEqual(cell["queue_added_bdp"], 0.2)

    def test_jain_of_one_who_takes_all(self):
        self.assertEqual(self.judge([90.0, 0.0, 0.0])["jain"], 0.3333)

    def test_too_much_and_too_little(self):
        self.assertEqual(self.judge([90.0, 20.0, 20.0])["faults"], ["share"])
        self.assertEqual(self.judge([5.0, 60.0, 60.0])["faults"], ["share"])
        self.assertEqual(self.judge([0.0, 0.0])["faults"], ["share"])

    def test_queue_and_damage(self):
        self.assertEqual(self.judge([20.0, 20.0], rtt_ms=140.0)["faults"], ["queue"])
        self.assertEqual(self.judge([20.0, 20.0], intact=False)["faults"], ["damaged"])

    def test_round_trips_of_ss(self):
        seen = "ESTAB 0 0 10.77.0.1:1 10.77.0.2:5201\n\t cubic wscale:7,7 rtt:92.5/1.2 minrtt:50.1 rcv_rtt:3\n"
        self.assertEqual(bench_fairness.round_trips_ms(seen + seen), [92.5, 92.5])


if __name__ == "__main__":
    unittest.main()
