# SPDX-License-Identifier: MPL-2.0
"""Tests of the table of workloads: bars can be missed and are about something; what publishers tell the broker."""
import os
import unittest

import load
import load_workloads
import servers
import summary
from model import Bar, Context

CONTEXT = Context("tiny", os.environ["SB_BINARY_DIR"], os.environ["SB_SOURCE_DIR"])
WORKLOADS = {workload.name: workload for workload in load_workloads.WORKLOADS}


class Table(unittest.TestCase):
    def test_labels_are_unique(self):
        for workload in WORKLOADS.values():
            labels = [case.label for case in workload.cases]
            self.assertEqual(len(labels), len(set(labels)), workload.name)

    def test_each_bar_is_about_two_cases_and_a_figure_of_its_workload(self):
        for workload in WORKLOADS.values():
            labels = {case.label for case in workload.cases}
            for bar in workload.bars:
                with self.subTest(workload.name, bar=bar):
                    self.assertIn(bar.case, labels)
                    self.assertIn(bar.figure, {figure.key for figure in workload.figures})
                    self.assertNotEqual(bar.case, bar.base)
                    if bar.base is None:
                        self.assertGreater(bar.bound, 0)  # a note is a ratio
                    else:
                        self.assertIn(bar.base, labels)

    def test_library_has_a_ratio_wherever_it_is_measured(self):
        for workload in WORKLOADS.values():
            if any(case.system == "library" for case in workload.cases):
                self.assertTrue(any(bar.case.startswith("library") and bar.base for bar in workload.bars),
                                workload.name)

    def test_where_nothing_comes_together_no_bar_is_about_batches_that_are_asked_for(self):
        """At 100 updates a second bench_load sends each by itself, whatever --batch says."""
        self.assertEqual({case.options["batch"] for case in WORKLOADS["idle"].cases}, {1})

    def test_a_message_with_few_updates_misses_the_bar_of_filling(self):
        (bar,) = [bar for bar in WORKLOADS["flat_out"].bars if bar.base is None]
        for filled, is_reached in ((1, False), (load_workloads.FILLED - 0.01, False), (load_workloads.FILLED, True)):
            judged = summary.judge([{bar.case: {bar.figure: filled}}], bar)
            self.assertEqual(judged["is_reached"], is_reached)

    def test_a_wait_when_idle_misses_its_bar(self):
        bar = Bar("p50_us", "library", "library unbatched", "<=", 1.1)
        self.assertIn(bar, WORKLOADS["idle"].bars)
        for p50_us, is_reached in ((110, True), (111, False)):
            rounds = [{"library": {"p50_us": p50_us}, "library unbatched": {"p50_us": 100}}]
            self.assertEqual(summary.judge(rounds, bar)["is_reached"], is_reached)


class Flags(unittest.TestCase):
    def test_those_of_a_case_are_the_brokers_and_no_load_programs(self):
        (case,) = [case for case in WORKLOADS["latency"].cases if case.label == "syncbus busy-poll"]
        told = []

        class Watched(servers.Broker):
            def check(self, published, options):
                with open("/proc/%d/cmdline" % self.pid, encoding="utf-8") as file:
                    told.append(file.read().split("\0"))
                return super().check(published, options)

        options = {**load.DEFAULTS, **CONTEXT.options(case), "updates": 300, "deadline-s": 30}
        with Watched(CONTEXT, options) as server:
            load.run_against(server, case.system, options, CONTEXT)
        (line,) = told
        self.assertEqual(line[line.index("--network-busy-poll") + 1], "200us")


class Codec(unittest.TestCase):
    OPTIONS = {**load.DEFAULTS, "updates": 20000, "batch": 1, "deadline-s": 30}

    def run_codec(self, server_class=servers.Codec, **options):
        options = {**self.OPTIONS, **options}
        with server_class(CONTEXT, options) as server:
            return load.run_against(server, "codec", options, CONTEXT)

    def test_an_update_that_is_not_acked_or_is_refused_gives_no_figure(self):
        asked = []

        class Watched(servers.Codec):
            def check(self, published, options):
                check = super().check
                asked.append([check({**published, **planted}, options) for planted in (
                    {}, {"accepted": published["accepted"] - 1}, {"refused": 1})])
                return check(published, options)

        self.run_codec(Watched, updates=1000)
        right, unacked, refused = asked[0]
        self.assertEqual(right, [])
        self.assertIn("acked as accepted", " ".join(unacked))
        self.assertIn("updates refused are 1, not 0", refused)

    def test_it_gathers_what_waits_only_where_it_is_told_to(self):
        (gathering,) = load_workloads.codec_gathering()
        for publishers in (1, 4):
            with self.subTest(publishers=publishers):
                self.assertLessEqual(self.run_codec(publishers=publishers)["per_message"], 1)  # probes are messages
                filled = self.run_codec(publishers=publishers, flags=gathering.options["flags"])["per_message"]
                self.assertGreater(filled, 1)
                self.assertLessEqual(filled, gathering.options["flags"]["gather"])


class Unbatched(unittest.TestCase):
    def fill(self, **options):
        options = {**load.DEFAULTS, "updates": 3000, "batch": 1, "deadline-s": 30, **options}
        with servers.make("library", CONTEXT, options) as server:
            return load.run_against(server, "library", options, CONTEXT)["sent_per_message"]

    def test_flat_out_the_library_fills_messages_unless_its_window_is_one(self):
        self.assertLessEqual(self.fill(window=1), 1)
        self.assertGreater(self.fill(), 1)


class Readers(unittest.TestCase):
    def test_publishers_are_registered_with_what_is_read_and_are_not_behind(self):
        """For two beats. A position that stands for anything but what was sent by then would be behind by hundreds."""
        told = []

        class Watched(servers.Broker):
            def check(self, published, options):
                told.extend(self.ask("list_agents")["records"])
                return super().check(published, options)

        options = {**load.DEFAULTS, "updates": 1300, "rate": 500, "batch": 1, "publishers": 4, "subscribers": 4,
                   "categories": 4, "reads": 2, "deadline-s": 30}
        with Watched(CONTEXT, options) as server:
            load.run_against(server, "syncbus", options, CONTEXT)
        self.assertEqual({record["agent_id"]: record["interests"] for record in told},
                         {"p0": "bench0 bench1", "p1": "bench1 bench2", "p2": "bench2 bench3", "p3": "bench0 bench3"})
        for record in told:
            self.assertLess(record["backlog"], 50)


if __name__ == "__main__":
    unittest.main()
