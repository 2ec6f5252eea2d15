#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
#
# What script/demo needs of JSON: endpoints out of the ready file, waiting for a state of the bus by asking
# `syncbus --json`, and the summary. Every number in it comes from the programs' own summaries and from the
# broker; what does not add up is listed under "problems". Standard library only.
"""demo.py endpoints FILE | wait-live SYNCBUS AGENT... | settle SYNCBUS AGENT... | summary FOLDER [options]"""
import argparse
import json
import pathlib
import subprocess
import sys
import textwrap
import time

LIVE_SECONDS = 20
SETTLE_SECONDS = 120
WIDTH = 80
NO_BREAK = "\0"  # a space at which no line ends
DESK = ("scanner", "trader", "risk", "trainer")
# Refusals that an operator or a limit asked for, as the broker's events and audit log tell.
EXPLAINED = {"PAUSED", "EMERGENCY_STOPPED", "ISOLATED"}


def ask(syncbus, command):
    """The reply to a command of the broker; None when there was none."""
    answer = subprocess.run([syncbus, "--json", command], capture_output=True, text=True, check=False)
    try:
        return json.loads(answer.stdout) if answer.returncode == 0 else None
    except ValueError:
        return None


def agents_of(reply):
    return {row["agent_id"]: row for row in reply["records"] if "agent_id" in row} if reply else {}


def endpoints(path):
    ready = json.loads(pathlib.Path(path).read_text())
    found = []
    for name in ("ingress", "publish", "command"):
        value = ready.get(name) or ready.get(name + "_endpoint") or ready.get("endpoints", {}).get(name)
        found.append(value)
    print(*found)
    return 0 if all(found) else 1


def wait_live(syncbus, names):
    """0 once every named agent is LIVE."""
    deadline = time.monotonic() + LIVE_SECONDS
    while time.monotonic() < deadline:
        agents = agents_of(ask(syncbus, "list_agents"))
        if all(agents.get(name, {}).get("liveness") == "LIVE" for name in names):
            return 0
        time.sleep(0.1)
    return 1


def settle(syncbus, names):
    """0 once all readers have handled everything that there is: nothing queued or behind in two looks, more than a
    heartbeat apart, with no publication in between."""
    deadline = time.monotonic() + SETTLE_SECONDS
    before = None
    while time.monotonic() < deadline:
        reply = ask(syncbus, "list_agents")
        agents = agents_of(reply)
        idle = bool(agents) and all(
            agents.get(name, {}).get("backlog") == 0 and agents[name].get("queue_depth") == 0 for name in names)
        now = (reply.get("sequence"), [agents[name].get("processed") for name in names]) if idle else None
        if idle and now == before:
            return 0
        before = now
        time.sleep(1.3)
    return 1


# ---------------------------------------------------------------- summary


def load(folder, name):
    """The last JSON line of a program's output, {} when there is none."""
    try:
        text = (folder / (name + ".json")).read_text()
        return json.loads(text)
    except (OSError, ValueError):
        return {}


def prefixed(row, prefix):
    """{"PAUSED": 3} out of {"refused.PAUSED": 3}."""
    return {key[len(prefix):]: value for key, value in row.items() if key.startswith(prefix) and value}


def group(row, name):
    """A group of counts, whether it is nested or has dotted keys; zeros left out."""
    nested = row.get(name)
    if isinstance(nested, dict):
        return {key: value for key, value in nested.items() if value}
    return prefixed(row, name + ".")


def rows_of(market):
    rejected, refused = group(market, "rejected"), group(market, "refused")
    return {
        "read": market.get("read", 0),
        "published": market.get("published", 0),
        "unchanged": market.get("unchanged", 0),
        "pending": market.get("pending", 0),
        "rejected": rejected,
        "refused": refused,
    }


def broker_of(status, health):
    records = status.get("records", [])
    first = records[0] if records else {}
    system = health.get("records", [{}])[0] if health.get("records") else {}
    names = ("deltas", "deltas_accepted", "deltas_repeated", "publications", "changes", "changes_suppressed",
             "quality_changes", "message_bytes", "breaker_activations", "failures", "agent_drops", "publish_refused",
             "stopped")
    broker = {name: first.get(name, 0) for name in names}
    broker["refusals"] = {row["reason"]: row["refused"] for row in records if row.get("record") == "refusal"}
    broker["categories"] = {row["category"]: row["category_sequence"] for row in records
                            if row.get("record") == "category"}
    broker["health_score"] = system.get("health_score")
    for name in ("merge_p50_ns", "merge_p99_ns", "end_to_end_p50_ns", "end_to_end_p99_ns"):
        broker[name] = system.get(name)
    return broker


def agent_of(name, row, market_code):
    """One agent's row. The market has said goodbye at its end: then a clean exit is what health means."""
    agent = {"agent_id": name}
    for key in ("liveness", "breaker", "operator_state", "is_healthy", "accepted", "refused", "received", "processed",
                "failed", "drops", "backlog", "queue_depth", "failures", "mistakes", "status", "confidence",
                "last_signal", "pnl"):
        agent[key] = row.get(key)
    if name == "market" and row.get("liveness") == "OFFLINE":
        agent["is_healthy"] = market_code == 0
        agent["status"] = "done" if market_code == 0 else "failed"
    return agent


def check_rows(problems, rows):
    accounted = (rows["published"] + rows["unchanged"] + rows["pending"] + sum(rows["rejected"].values()) +
                 sum(rows["refused"].values()))
    if rows["read"] != accounted:
        problems.append(f"rows read {rows['read']} are not those accounted for {accounted}")
    if rows["pending"]:
        problems.append(f"{rows['pending']} rows were never decided")
    if not rows["read"]:
        problems.append("no row was read")


def check_refusals(problems, where, refused):
    unexplained = {reason: count for reason, count in refused.items() if reason not in EXPLAINED}
    if unexplained:
        problems.append(f"{where}: refusals that nobody asked for: {unexplained}")


def check_broker(problems, broker, agents):
    """Every delta was decided, and decided as the agents' records say."""
    decided = broker["deltas_accepted"] + sum(broker["refusals"].values())
    if broker["deltas"] != decided:
        problems.append(f"deltas {broker['deltas']} are not accepted plus refused {decided}")
    accepted = sum(agent["accepted"] or 0 for agent in agents)
    if broker["deltas_accepted"] != accepted:
        problems.append(f"deltas accepted {broker['deltas_accepted']} are not those of all agents {accepted}")
    check_refusals(problems, "broker", broker["refusals"])


def check_agents(problems, agents, programs):
    for agent in agents:
        if not agent["is_healthy"]:
            problems.append(f"{agent['agent_id']} is not healthy: {agent['liveness']}, breaker {agent['breaker']}")
        handled = (agent["processed"] or 0) + (agent["failed"] or 0)
        if agent["received"] != handled:
            problems.append(f"{agent['agent_id']}: received {agent['received']} publications, handled {handled}")
    for name, program in programs.items():
        if not program:
            problems.append(f"{name} left no summary")
            continue
        check_refusals(problems, name, group(program, "refused"))
        if program["failed"]:
            problems.append(f"{name}: {program['failed']} publications could not be handled")
        decided = program["updates_accepted"] + program["updates_refused"]
        if program["undecided"] or program["updates_sent"] != decided:
            problems.append(f"{name}: sent {program['updates_sent']} updates, {decided} were decided")


def check_trading(problems, programs):
    """A reader that lost nothing must have seen every trade."""
    trader, trainer, risk = programs["trader"], programs["trainer"], programs["risk"]
    trades = trader.get("trades", 0)
    for name, program, seen in (("trainer", trainer, trainer.get("trades")), ("risk", risk, risk.get("executions"))):
        if seen is not None and seen != trades and not program.get("dropped"):
            problems.append(f"{name} has seen {seen} of {trades} trades and lost no publication")
    weights = prefixed(trainer, "weight.")
    if abs(sum(weights.values()) - 1) > 1e-6:
        problems.append(f"the trainer's weights do not sum to 1: {weights}")


def summarize(folder, options):
    programs = {name: load(folder, name) for name in DESK}
    market = load(folder, "market")
    agents_now = agents_of(load(folder, "list_agents"))
    trader, risk, trainer = programs["trader"], programs["risk"], programs["trainer"]
    problems = []
    summary = {
        "input": options.input,
        "pace": options.pace,
        "seconds": options.seconds,
        "rows": rows_of(market),
        "broker": broker_of(load(folder, "status"), load(folder, "health")),
        "latency": {key: risk.get(key) for key in ("reactions", "reaction_p50_us", "reaction_p99_us")},
        "agents": [agent_of(name, row, options.market_code) for name, row in sorted(agents_now.items())],
        "drops": {name: program.get("dropped") for name, program in programs.items()},
        "trading": {key: trader.get(key) for key in
                    ("trades", "signals", "positions", "cash", "realized_pnl", "unrealized_pnl", "fees", "pnl")},
        "risk": {key: risk.get(key) for key in
                 ("executions", "reports", "gross_exposure", "drawdown", "breaches", "pauses", "resumes")},
        "training": {"closings": trainer.get("closings"), "hit_rate": trainer.get("hit_rate"),
                     "weights": prefixed(trainer, "weight.")},
        "problems": problems,
    }
    if options.market_code != 0:
        problems.append(f"the market ended with exit code {options.market_code}")
    if options.settled != "yes":
        problems.append(f"the readers had not caught up {SETTLE_SECONDS} s after the end of the data")
    check_rows(problems, summary["rows"])
    check_broker(problems, summary["broker"], summary["agents"])
    check_agents(problems, summary["agents"], programs)
    check_trading(problems, programs)
    for name in ("market",) + DESK:
        if name not in agents_now:
            problems.append(f"the broker does not know {name}")
    summary["ok"] = not problems
    return summary


# ---------------------------------------------------------------- for people


def number(value):
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def counts(row):
    return ", ".join(f"{name}{NO_BREAK}{number(value)}" for name, value in row.items()) or "none"


def print_table(rows, columns):
    cells = [list(columns)] + [[number(row.get(key)) for key in columns.values()] for row in rows]
    cells[0] = list(columns.keys())
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def say(title, text):
    print(textwrap.fill(text, WIDTH, initial_indent=f"{title:<11}", subsequent_indent=" " * 11,
                        break_long_words=False, break_on_hyphens=False).replace(NO_BREAK, " "))


def print_summary(summary):
    rows, broker, latency = summary["rows"], summary["broker"], summary["latency"]
    trading, risk, training = summary["trading"], summary["risk"], summary["training"]
    print(f"\n{summary['input']}, pace {summary['pace']}, {summary['seconds']} s\n")
    say("rows", f"read {number(rows['read'])} = published {number(rows['published'])}"
        f" + rejected {number(sum(rows['rejected'].values()))} + unchanged {number(rows['unchanged'])}"
        f" + refused {number(sum(rows['refused'].values()))} + pending {number(rows['pending'])}")
    say("", f"rejected: {counts(rows['rejected'])}; refused: {counts(rows['refused'])}")
    say("broker", f"deltas {number(broker['deltas'])}, accepted {number(broker['deltas_accepted'])},"
        f" publications {number(broker['publications'])}; refusals: {counts(broker['refusals'])}")
    say("", f"publications by category: {counts(broker['categories'])}")
    say("latency", f"row read to risk reaction: p50 {number(latency['reaction_p50_us'])} us,"
        f" p99 {number(latency['reaction_p99_us'])} us, over {number(latency['reactions'])} reactions")
    say("drops", counts(summary["drops"]))
    say("trading", f"trades {number(trading['trades'])}, pnl {number(trading['pnl'])} (realized"
        f" {number(trading['realized_pnl'])}, unrealized {number(trading['unrealized_pnl'])},"
        f" fees {number(trading['fees'])}), positions {number(trading['positions'])}")
    say("risk", f"executions {number(risk['executions'])}, gross {number(risk['gross_exposure'])},"
        f" drawdown {(risk['drawdown'] or 0):.4%}, breaches {number(risk['breaches'])},"
        f" pauses {number(risk['pauses'])}")
    say("trainer", f"closings {number(training['closings'])}, hit rate {(training['hit_rate'] or 0):.1%},"
        f" weights: {', '.join(f'{name} {value:.3f}' for name, value in training['weights'].items())}")
    print()
    print_table(summary["agents"], {"agent": "agent_id", "liveness": "liveness", "healthy": "is_healthy",
                                    "breaker": "breaker", "pnl": "pnl", "sent": "accepted", "refused": "refused",
                                    "received": "received", "drops": "drops"})
    print()
    for problem in summary["problems"]:
        say("PROBLEM", problem)
    print("all counts add up, every agent is healthy" if summary["ok"] else "this does not add up: see above")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("endpoints").add_argument("path")
    for name in ("wait-live", "settle"):
        command = commands.add_parser(name)
        command.add_argument("syncbus")
        command.add_argument("agents", nargs="+")
    command = commands.add_parser("summary")
    command.add_argument("folder", type=pathlib.Path)
    command.add_argument("--input", default="")
    command.add_argument("--pace", default="")
    command.add_argument("--seconds", type=int, default=0)
    command.add_argument("--market-code", type=int, default=0)
    command.add_argument("--settled", default="yes")
    command.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.command == "endpoints":
        return endpoints(options.path)
    if options.command == "wait-live":
        return wait_live(options.syncbus, options.agents)
    if options.command == "settle":
        return settle(options.syncbus, options.agents)
    summary = summarize(options.folder, options)
    if options.json:
        json.dump(summary, sys.stdout, indent=2)
        print()
    else:
        print_summary(summary)
    return 0 if summary["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
