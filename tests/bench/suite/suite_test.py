# SPDX-License-Identifier: MPL-2.0
"""Tests of the benchmark itself: what does not add up is found, ratios are made within rounds, reports can be read."""
import base64
import contextlib
import copy
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom
from unittest import mock

import bench
import charts
import core_workloads
import load
import payload
import report
import servers
import summary
import workloads
from model import FULL_COUNTS, AccountingError, Axis, Bar, Case, Condition, Context, Figure, Workload
from core_workloads import instructions
from processes import Program

BUILD = os.environ["SB_BINARY_DIR"]
CONTEXT = Context("tiny", BUILD, os.environ["SB_SOURCE_DIR"])

PUBLISHED = {"updates": 3, "probes": 1, "finished": True, "published": [3]}
RECEIVED = {"updates": 3, "expected": 3, "lost": 0, "repeated": 0, "damaged": 0, "reported_lost": 0}


HERE = {"protobuf_c": "1", "cpu": "c", "cores": 2, "memory_gib": 1, "kernel": "k", "system": "s", "libzmq": "4",
        "load": [0, 0, 0], "busy_before": 0.5}


class Silent:
    """A server that has nothing to say."""

    def check(self, published, options):
        return []


class Accounting(unittest.TestCase):
    def test_a_run_that_adds_up_passes(self):
        load.check(Silent(), {}, PUBLISHED, RECEIVED)

    def test_each_thing_wrong_at_the_subscribers_is_found(self):
        for name, value in (("lost", 1), ("repeated", 1), ("damaged", 1), ("reported_lost", 1), ("updates", 2)):
            with self.subTest(name), self.assertRaises(AccountingError):
                load.check(Silent(), {}, PUBLISHED, {**RECEIVED, name: value})

    def test_each_thing_wrong_at_the_publishers_is_found(self):
        for name, value in (("finished", False), ("updates", 4)):
            with self.subTest(name), self.assertRaises(AccountingError):
                load.check(Silent(), {}, {**PUBLISHED, name: value}, RECEIVED)


class Loss(unittest.TestCase):
    def test_a_loss_on_the_way_is_counted_and_gives_no_figure(self):
        """A subscriber that stands still while far more is published than queues and kernel hold."""
        options = {**load.DEFAULTS, "publish-queue": 10, "updates": 300000, "batch": 1, "quiet-ms": 500, "deadline-s": 30}
        with servers.make("bare", CONTEXT, options) as server, \
             Program(load.arguments("subscribe", "bare", server, options, CONTEXT), server.folder + "/s") as subscriber, \
             Program(load.arguments("publish", "bare", server, options, CONTEXT), server.folder + "/p") as publisher:
            subscriber.read("connected")
            publisher.read("connected")
            subscriber.read("ready")
            os.kill(subscriber.pid, signal.SIGSTOP)
            publisher.tell("go")
            published = publisher.read("published")
            os.kill(subscriber.pid, signal.SIGCONT)
            subscriber.tell("published %d" % published["published"][0])
            received = subscriber.read("expected")
        self.assertEqual(received["expected"], 300000)
        self.assertGreater(received["lost"], 0)
        self.assertEqual(received["lost"] + received["updates"], 300000)
        with self.assertRaises(AccountingError):
            load.check(server, options, published, received)


class Broker(unittest.TestCase):
    def test_the_brokers_word_is_held_against_the_publishers(self):
        asked = []

        class Watched(servers.Broker):
            def check(self, published, options):
                right = super().check(published, options)
                more = {**published, "updates": published["updates"] + 1}
                other = {**copy.deepcopy(published), "published": [published["published"][0] + 1]}
                asked.append((right, super().check(more, options), super().check(other, options)))
                return right

        options = {**load.DEFAULTS, "updates": 500, "batch": 16, "keys": 7, "deadline-s": 30}
        with Watched(CONTEXT, options) as server:
            figures = load.run_against(server, "syncbus", options, CONTEXT)
        right, more, other = asked[0]
        self.assertEqual(right, [])
        self.assertIn("deltas_accepted", " ".join(more))
        self.assertIn("publisher 0's payload.", " ".join(other))
        self.assertEqual(figures["updates"], 500)


    def test_an_octet_that_is_not_as_it_was_sent_is_found_in_the_brokers_state(self):
        """Wherever it is but in the time, which nobody can know."""
        found = {}

        class Damaged(servers.Broker):
            at = None

            def state(self, category):
                fields = super().state(category)
                if self.at is not None:
                    value = next(iter(fields.values()))
                    octets = bytearray(base64.b64decode(value["base64"]))
                    octets[self.at:self.at + 1] = bytes([octets[self.at] ^ 1])
                    value["base64"] = base64.b64encode(octets).decode()
                return fields

            def check(self, published, options):
                right = super().check(published, options)
                for self.at in (0, 7, 8, 15, 16, 19, 20, 60, 127, -1):
                    found[self.at] = self.check_state(published["published"], options)
                self.at = None
                return right

        options = {**load.DEFAULTS, "updates": 500, "batch": 16, "keys": 7, "deadline-s": 30}
        with Damaged(CONTEXT, options) as server:
            load.run_against(server, "syncbus", options, CONTEXT)
        self.assertEqual({at: len(wrong) for at, wrong in found.items()},
                         {0: 1, 7: 1, 8: 0, 15: 0, 16: 1, 19: 1, 20: 1, 60: 1, 127: 1, -1: 1})
        self.assertRegex(found[60][0], r"publisher 0's payload\.\d of update \d+ is damaged from octet 60 on")

    def test_a_value_of_another_size_is_found(self):
        value = payload.made(5, 2, 128)
        self.assertIsNone(payload.problem(value, 5, 2, 128))
        self.assertIn("127 octets", payload.problem(value[:-1], 5, 2, 128))
        self.assertIn("update None", payload.problem(None, 5, 2, 128))


class Resume(unittest.TestCase):
    """A run that was ended is gone on with. The build is a folder of programs that say a version and no more."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.json = os.path.join(self.folder, "figures.json")
        self.program("broker/live/syncbusd", "echo syncbusd 1")
        self.program("tests/bench/load/bench_load", "echo Drivers:")
        self.ran = []
        self.breaking = set()  # workloads whose next run does not add up
        self.ending_at = None  # the workload that the user ends the run in
        self.busy = 0

    def program(self, path, line):
        path = os.path.join(self.folder, "build", path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n%s\n" % line)
        os.chmod(path, 0o755)

    def workload(self, name):
        def run(case, context):
            self.ran.append(name)
            if name == self.ending_at:
                raise KeyboardInterrupt
            if name in self.breaking:
                self.breaking.remove(name)
                raise AccountingError("1 update lost")
            return {"rate": 7}
        return Workload(name, name, name, run, [Case("case of " + name, "bare", {})], [RATE], ["rate"], [])

    def run_some(self, *names, more=(), not_run=()):
        """Runs with --resume as far as it goes; the document."""
        self.ran.clear()
        arguments = bench.parse(["--tiny", "--build", os.path.join(self.folder, "build"), "--json", self.json,
                                 "--resume", *more])
        here = {**HERE, "busy_before": self.busy}
        with contextlib.redirect_stdout(io.StringIO()), mock.patch("machine.describe", return_value=here):
            return bench.run_all([self.workload(name) for name in names], [], list(not_run), arguments)

    def in_file(self):
        with open(self.json, encoding="utf-8") as file:
            return json.load(file)

    def test_workloads_that_the_file_has_are_kept_and_the_others_run(self):
        self.ending_at = "idle"
        with self.assertRaises(KeyboardInterrupt):
            self.run_some("latency", "idle")
        self.assertEqual([workload["name"] for workload in self.in_file()["workloads"]], ["latency"])
        self.assertEqual(self.in_file()["not_run"], ["idle"])
        self.ending_at = None
        document = self.run_some("latency", "idle")
        self.assertEqual(self.ran, ["idle"])
        self.assertEqual([workload["name"] for workload in document["workloads"]], ["latency", "idle"])
        self.assertEqual(document["not_run"], [])

    def test_workloads_that_were_not_chosen_stay_in_the_file(self):
        self.run_some("latency", "desk")
        self.run_some("idle")
        self.assertEqual(self.ran, ["idle"])
        document = self.in_file()
        self.assertEqual([workload["name"] for workload in document["workloads"]], ["latency", "idle", "desk"])
        self.assertEqual(set(document["systems"]), {"case of latency", "case of idle", "case of desk"})

    def test_what_was_not_run_stays_so_until_it_is(self):
        self.run_some("latency", not_run=["desk", "idle"])
        self.assertEqual(self.run_some("idle")["not_run"], ["desk"])

    def test_a_workload_that_did_not_add_up_is_run_again(self):
        self.breaking = {"idle"}
        self.assertEqual(len(self.run_some("latency", "idle")["workloads"][1]["failures"]), 1)
        document = self.run_some("latency", "idle")
        self.assertEqual(self.ran, ["idle"])
        self.assertEqual([workload["failures"] for workload in document["workloads"]], [[], []])

    def test_warnings_of_both_parts_are_told(self):
        self.busy = 0.5
        self.run_some("latency")
        self.busy = 0
        self.assertIn("busy before the first run (50 %", self.run_some("latency", "idle")["warning"])
        self.busy = 0.7
        warning = self.run_some("latency", "idle", "desk")["warning"]
        self.assertIn("50 %", warning)
        self.assertIn("when the run was gone on with, the machine was busy before the first run (70 %", warning)

    def test_a_file_that_was_measured_otherwise_is_refused_and_left_alone(self):
        self.run_some("latency")
        before = self.in_file()
        for more, words in ((["--quick"], "mode: tiny then, quick now"), (["--rounds", "3"], "rounds: 1 then, 3 now"),
                            (["--market-data", self.folder], "market data: ")):
            with self.subTest(words), self.assertRaisesRegex(SystemExit, words):
                self.run_some("latency", more=more)
        self.program("tests/bench/load/bench_load", "echo Drivers: && true")  # of the same version
        with self.assertRaisesRegex(SystemExit, "programs .SHA-256.: [0-9a-f]{64} then, [0-9a-f]{64} now.*\n.*leave out"):
            self.run_some("latency")
        self.assertEqual(self.in_file(), before)

    def test_a_file_of_something_else_is_refused(self):
        for content in ("{}", "[]", "not JSON"):
            with open(self.json, "w", encoding="utf-8") as file:
                file.write(content)
            with self.subTest(content), self.assertRaisesRegex(SystemExit, "no file that --json wrote"):
                self.run_some("latency")


class Command(unittest.TestCase):
    def run_suite(self, *arguments):
        bench = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench.py")
        return subprocess.run(["python3", "-B", bench, "--build", BUILD, *arguments], capture_output=True, text=True,
                              check=False)

    def test_an_unknown_workload_is_a_mistake_of_use(self):
        self.assertEqual(self.run_suite("--only", "nothing").returncode, 2)

    def test_going_on_without_a_file_is_a_mistake_of_use(self):
        done = self.run_suite("--resume", "--list")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--json", done.stderr)

    def test_what_a_mode_leaves_out_is_told_and_what_was_not_chosen_is_not(self):
        for more, is_told in ((["--tiny"], True), (["--tiny", "--only", "idle"], False), ([], False)):
            with self.subTest(more), contextlib.redirect_stdout(io.StringIO()):
                not_run = bench.choose(bench.parse(["--build", BUILD, *more]))[2]
                self.assertEqual("basic_fast" in not_run, is_told)
                self.assertNotIn("latency", not_run)

    def test_a_run_that_cannot_be_made_is_no_success(self):
        with tempfile.TemporaryDirectory() as folder:
            done = self.run_suite("--tiny", "--only", "latency", "--build", folder)
        self.assertNotEqual(done.returncode, 0)


    def test_without_valgrind_its_rows_are_left_out_and_its_bars_not_measured(self):
        bench = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench.py")
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([sys.executable, "-B", bench, "--build", BUILD, "--only", "instructions"], check=False,
                                  capture_output=True, text=True, env={**os.environ, "PATH": folder})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, "LEFT OUT.*: valgrind")
        self.assertEqual(done.stdout.count("not measured"), len(instructions.BOUNDS))


class Instructions(unittest.TestCase):
    RIGHT = {"step_one_field": 1500, "step_bytes_128": 1500, "step_two_fields": 1800, "step_five_fields": 2700,
             "step_ten_fields": 4200, "path_one_field": 3000, "path_bytes_128": 3000,
             "step_among_10": 1000, "step_among_10000": 1250}

    def exceeded(self, counted):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exceeded = instructions.judge_bounds(counted)
        self.assertEqual(said.getvalue().count("EXCEEDED"), len(exceeded))
        return exceeded

    def test_what_is_at_its_bound_passes(self):
        self.assertEqual(self.exceeded(self.RIGHT), [])

    def test_each_bound_is_exceeded_by_one_instruction_more(self):
        for bound in instructions.BOUNDS:
            with self.subTest(bound.title):
                more = {**self.RIGHT, bound.row: self.RIGHT[bound.row] + bound.parts}
                self.assertIn(bound.title, self.exceeded(more))

    def test_a_further_field_is_the_difference_of_two_rows(self):
        bound = instructions.Bound("a field", "ten", "one", 9, 100)
        self.assertEqual(instructions.held_to(bound, {"ten": 1000, "one": 100}), 100)
        self.assertIsNone(instructions.held_to(bound, {"ten": 1000}))

    def test_a_multiple_is_of_the_other_row(self):
        bound = instructions.Bound("with many", "many", most=1.25, over="few")
        self.assertEqual(instructions.held_to(bound, {"many": 1300, "few": 1000}), 1.3)
        self.assertIsNone(instructions.held_to(bound, {"many": 1300}))
        bar = core_workloads.bar_of(instructions.BOUNDS[-1])
        self.assertEqual((bar.case, bar.base), tuple(core_workloads.row_label(row)
                                                     for row in ("step_among_10000", "step_among_10")))

    def test_bounds_name_rows_of_the_baseline(self):
        for bound in instructions.BOUNDS:
            self.assertLessEqual(instructions.rows_named(bound), set(core_workloads.BASELINE))

    def test_the_report_has_each_bound_as_a_bar_and_each_row(self):
        (workload,) = core_workloads.WORKLOADS
        labels = [case.label for case in workload.cases]
        self.assertEqual([bar.bound for bar in workload.bars], [bound.most for bound in instructions.BOUNDS])
        for label in [core_workloads.row_label(row) for row in core_workloads.BASELINE] + \
                [bar.case for bar in workload.bars]:
            self.assertEqual(labels.count(label), 1)


ROUNDS = [{"a": {"rate": 10}, "b": {"rate": 5}}, {"a": {"rate": 30}, "b": {"rate": 30}},
          {"a": {"rate": 20}, "b": {"rate": 40}}]
RATE = Figure("rate", "rate", "updates/s", True)


class Summary(unittest.TestCase):
    def test_ratios_are_made_within_a_round(self):
        self.assertEqual(summary.of_ratio(ROUNDS, "rate", "a", "b"), {"median": 1, "low": 0.5, "high": 2, "count": 3})

    def test_a_bar_is_held_to_the_median_ratio(self):
        for relation, bound, is_reached in ((">=", 1, True), (">=", 1.01, False), ("<=", 1, True), ("<=", 0.99, False),
                                            ("<", 1, False)):
            with self.subTest(relation, bound=bound):
                judged = summary.judge(ROUNDS, Bar("rate", "a", "b", relation, bound))
                self.assertEqual(judged["is_reached"], is_reached)

    def test_a_bar_without_its_case_is_neither_reached_nor_missed(self):
        self.assertIsNone(summary.judge(ROUNDS, Bar("rate", "a", "c", ">=", 1))["is_reached"])

    def test_a_bar_whose_condition_is_not_met_is_not_judged(self):
        bar = Bar("rate", "a", None, ">=", 1, Condition("recorded", "not measured on recorded ticks"))
        for recorded, is_reached, words in ((1, True, "reached"), (0, None, "not measured on recorded ticks")):
            with self.subTest(recorded=recorded):
                judged = summary.judge([{"a": {"rate": 2, "recorded": 1}}, {"a": {"rate": 2, "recorded": recorded}}], bar)
                self.assertEqual(judged["is_reached"], is_reached)
                self.assertEqual(report.bar_row(judged, {"rate": RATE._asdict()})[-1], words)

    def test_a_round_that_failed_does_not_count(self):
        self.assertEqual(summary.of_case(ROUNDS[:1] + [{}], "a", "rate")["count"], 1)

    def test_a_bar_on_a_size_is_judged_with_full_counts_only(self):
        for needs, mode, is_reached, words in ((FULL_COUNTS, "full", True, "reached"),
                                               (FULL_COUNTS, "quick", None, "not judged at this size"),
                                               (FULL_COUNTS, "tiny", None, "not judged at this size"),
                                               (None, "quick", True, "reached")):
            with self.subTest(needs=needs, mode=mode):
                judged = summary.judge(ROUNDS, Bar("rate", "a", None, ">=", 1, needs), mode)
                self.assertEqual(judged["is_reached"], is_reached)
                row = report.bar_row(judged, {"rate": RATE._asdict()})
                self.assertEqual(row[1:], ["20 (10 - 30)", words])

    def test_a_bar_whose_case_or_base_lacks_a_round_is_not_judged(self):
        for lacking, base in (("a", None), ("a", "b"), ("b", "b")):
            with self.subTest(lacking=lacking, base=base):
                rounds = copy.deepcopy(ROUNDS)
                del rounds[1][lacking]
                judged = summary.judge(rounds, Bar("rate", "a", base, ">=", 0.1))
                self.assertIsNone(judged["is_reached"])
                self.assertEqual(judged["measured"]["count"], 2)
                self.assertEqual(report.bar_row(judged, {"rate": RATE._asdict()})[-1], "1 of 3 rounds did not add up")

    def test_a_bar_none_of_whose_rounds_added_up_says_so(self):
        failures = [{"case": "c", "round": turn + 1, "problem": "lost"} for turn in range(3)]
        judged = summary.judge(ROUNDS, Bar("rate", "a", "c", ">=", 1), "full", failures)
        self.assertIsNone(judged["is_reached"])
        self.assertEqual(report.bar_row(judged, {"rate": RATE._asdict()})[1:], ["-", "3 of 3 rounds did not add up"])

    def test_every_bar_on_a_reduced_size_needs_full_counts(self):
        sized = {workload.name: [bar for bar in workload.bars if not report.is_note(bar._asdict())]
                 for workload in workloads.WORKLOADS if workload.name in ("fleet", "fleet_deltas", "snapshot", "slices")}
        self.assertEqual({name: len(bars) for name, bars in sized.items()},
                         {"fleet": 3, "fleet_deltas": 3, "snapshot": 1, "slices": 3})
        for name, bars in sized.items():
            for bar in bars:
                self.assertEqual(bar.needs, FULL_COUNTS, name)


class Report(unittest.TestCase):
    def document(self, failures):
        workload = Workload("w", "A <title> & more", "text", None, [Case("a", "bare", {}), Case("b", "codec", {})],
                            [RATE], ["rate"], [Bar("rate", "a", "b", ">=", 2), Bar("rate", "a", "c", ">=", 1)])
        return {"date": "2001-02-03 04:05 UTC", "machine": HERE, "warning": "busy", "mode": "full",
                "round_count": 3, "version": "0", "peers": {"nats-server": "2.9"}, "left_out": ["redis"],
                "systems": {"a": "bare", "b": "codec"}, "seconds": 1,
                "workloads": [summary.of_workload(workload, ROUNDS, failures)]}

    @unittest.skipUnless(charts.can_draw(), "python3-matplotlib is not installed: script/bootstrap report")
    def test_it_says_what_was_missed_left_out_and_wrong(self):
        failures = [{"case": "b", "round": 2, "problem": "3 updates lost"}]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "new", "report.md")
            report.write(self.document(failures), path)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            for words in ("**missed**", "not measured", "Left out", "redis", "3 updates lost", "Warning: busy",
                          "![A <title> & more: rate](w-rate.svg)"):
                self.assertIn(words, text)
            xml.dom.minidom.parse(os.path.join(folder, "new", "w-rate.svg"))

    def test_bars_that_were_not_judged_are_not_among_those_that_are_counted(self):
        bars = [Bar("rate", "a", "b", ">=", 0.1), Bar("rate", "a", "b", ">=", 2),
                Bar("rate", "a", None, ">=", 1, FULL_COUNTS), Bar("rate", "a", "c", ">=", 1)]
        workload = Workload("w", "title", "text", None, [Case("a", "bare", {}), Case("b", "codec", {})], [RATE], [], bars)
        document = {**self.document([]), "workloads": [summary.of_workload(workload, ROUNDS, [], "quick")]}
        text = "\n".join(report.overview_lines(document))
        self.assertIn("1 of 2 reached; 2 not judged, for the reason beside them.", text)
        self.assertIn("not judged at this size", text)

    @unittest.skipUnless(charts.can_draw(), "python3-matplotlib is not installed: script/bootstrap report")
    def test_charts_of_the_report_before_go_and_no_others(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "report.md")
            report.write(self.document([]), path)
            for name in ("of-somebody-else.svg", "old-rate.svg", "notes.txt", "../%s-beside.svg" % os.path.basename(folder)):
                with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                    self.addCleanup(lambda path=file.name: os.path.exists(path) and os.unlink(path))
            with open(path, "a", encoding="utf-8") as file:
                file.write("![gone](old-rate.svg)\n![never there](never.svg)\n[text](notes.txt)\n"
                           "![outside](../%s-beside.svg)\n" % os.path.basename(folder))
            report.write(self.document([]), path)
            self.assertEqual(sorted(os.listdir(folder)), ["notes.txt", "of-somebody-else.svg", "report.md", "w-rate.svg"])
            self.assertTrue(os.path.exists(folder + "-beside.svg"))

    @unittest.skipUnless(charts.can_draw(), "python3-matplotlib is not installed: script/bootstrap report")
    def test_the_same_figures_give_the_same_curves(self):
        cases = [Case("0 x", "syncbus", {}), Case("100 x", "syncbus", {})]
        workload = Workload("growth_x", "Growth", "text", None, cases, [RATE], ["rate"], [], Axis("x", {"0 x": 0, "100 x": 100}))
        rounds = [{"0 x": {"rate": 10}, "100 x": {"rate": 5}}, {"0 x": {"rate": 30}, "100 x": {"rate": 30}}]
        document = {**self.document([]), "workloads": [summary.of_workload(workload, rounds, [])]}
        drawn = []
        for _ in range(2):
            with tempfile.TemporaryDirectory() as folder:
                report.write(document, os.path.join(folder, "report.md"))
                with open(os.path.join(folder, "growth_x-rate.svg"), encoding="utf-8") as file:
                    drawn.append(file.read())
        self.assertEqual(drawn[0], drawn[1])
        self.assertIn("rate, updates/s", drawn[0])

    @unittest.skipUnless(charts.can_draw(), "python3-matplotlib is not installed: script/bootstrap report")
    def test_it_draws_every_chart_that_the_documentation_shows(self):
        with open(os.path.join(CONTEXT.source, "docs/PERFORMANCE.md"), encoding="utf-8") as file:
            shown = re.findall(r"\(performance/([^)]*\.svg)\)", file.read())
        self.assertTrue(shown)
        results = []
        for workload in workloads.WORKLOADS:
            if not any(name.startswith(workload.name + "-") for name in shown):
                continue
            figures = {figure.key: 1 for figure in workload.figures}
            results.append(summary.of_workload(workload, [{case.label: figures for case in workload.cases}], []))
        with tempfile.TemporaryDirectory() as folder:
            report.write({**self.document([]), "workloads": results}, os.path.join(folder, "report.md"))
            self.assertLessEqual(set(shown), set(os.listdir(folder)))


if __name__ == "__main__":
    if not charts.can_draw():
        print("SKIPPED, NOT TESTED: the report and its charts: python3-matplotlib is not installed", flush=True)
    unittest.main()
