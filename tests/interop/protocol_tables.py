# SPDX-License-Identifier: MPL-2.0
"""Reads the sources of the protocol into plain rows: the schema, the tables in C, and PROTOCOL.md.

Each reader turns one file into dictionaries of comparable rows; nothing is compared here. The schema is
read by a small parser of its own (messages, oneofs, enums, reserved numbers: all that syncbus.proto uses), so that no
package is needed. A line that no rule matches is an error, never skipped: what cannot be read cannot be held to.
"""
import re


class Unreadable(Exception):
    """A source that does not look as these readers expect."""


# ---------------------------------------------------------------- syncbus.proto

FIELD = re.compile(r"^(repeated )?([A-Za-z0-9]+) ([a-z0-9_]+) = (\d+);$")
VALUE = re.compile(r"^([A-Z0-9_]+) = (\d+);$")
RESERVED = re.compile(r"^reserved ([0-9, to]+);$")
OPEN = re.compile(r"^(message|enum|oneof) ([A-Za-z_]+) \{(\})?$")


def read_proto(text):
    """-> {"messages": {name: {field: (number, type, oneof)}}, "reserved": {name: text},
        "enums": {name: {value: number}}}"""
    result = {"messages": {}, "reserved": {}, "enums": {}}
    kind = name = oneof = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"//.*", "", raw).strip()
        if not line or line.startswith(("syntax ", "package ")):
            continue
        opened = OPEN.match(line)
        if opened and opened[1] == "oneof":
            oneof = opened[2]
        elif opened:
            kind, name = opened[1], opened[2]
            result["messages" if kind == "message" else "enums"][name] = {}
            if opened[3]:
                kind = name = None
        elif line == "}" and oneof:
            oneof = None
        elif line == "}":
            kind = name = None
        elif kind == "message" and FIELD.match(line):
            repeated, type_name, field, wire = FIELD.match(line).groups()
            result["messages"][name][field] = (int(wire), (repeated or "") + type_name, oneof or "")
        elif kind == "message" and RESERVED.match(line):
            result["reserved"][name] = RESERVED.match(line)[1]
        elif kind == "enum" and VALUE.match(line):
            result["enums"][name][VALUE.match(line)[1]] = int(VALUE.match(line)[2])
        else:
            raise Unreadable("syncbus.proto:%d: %s" % (number, raw))
    return result


# ---------------------------------------------------------------- tables in C

ARGUMENT = re.compile(r'\s*("(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*|[^,()"]+)\s*(,|\))')


def read_macro(text, macro, columns):
    """Rows of `macro (a, b, "c")` in order, each a tuple of `columns` texts."""
    text = re.sub(r"/\*.*?\*/", lambda comment: " " * len(comment[0]), text, flags=re.S)
    rows = []
    for call in re.finditer(r"\b%s \(" % macro, text):
        arguments, at = [], call.end()
        while True:
            part = ARGUMENT.match(text, at)
            if not part:
                raise Unreadable("%s: %s" % (macro, text[call.start():call.start() + 60]))
            pieces = re.findall(r'"((?:[^"\\]|\\.)*)"', part[1])
            arguments.append("".join(pieces) if pieces or part[1].startswith('"') else part[1].strip())
            at = part.end()
            if part[2] == ")":
                break
        if "#define" in text[text.rfind("\n", 0, call.start()) + 1:call.start()]:
            continue
        if len(arguments) != columns:
            raise Unreadable("%s has %d columns, not %d: %s" % (macro, len(arguments), columns, arguments))
        rows.append(tuple(arguments))
    return rows


def index_rows(rows, keys, what):
    """{first `keys` cells: the others}; a key twice is an error."""
    result = {}
    for row in rows:
        key = row[0] if keys == 1 else tuple(row[:keys])
        if key in result:
            raise Unreadable("%s twice: %s" % (what, key))
        result[key] = tuple(row[keys:])
    return result


# ---------------------------------------------------------------- PROTOCOL.md

def split_row(line):
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
    return [cell.replace("\\|", "|") for cell in cells]


def plain(cell):
    """A cell without the backticks around it."""
    return cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] == "`" else cell


def read_tables(text):
    """Every table: a list of (heading that it stands under, header cells, rows of cells, line number)."""
    tables, heading, header, fenced = [], "", None, False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        if fenced:
            continue
        if line.startswith("#"):
            heading, header = line.lstrip("#").strip(), None
        elif line.startswith("|"):
            cells = split_row(line)
            if header is None:
                header = cells
                tables.append((heading, header, [], number))
            elif not all(re.match(r"^:?-+:?$", cell) for cell in cells):
                if len(cells) != len(header):
                    raise Unreadable("PROTOCOL.md:%d: %d cells under a header of %d"
                                     % (number, len(cells), len(header)))
                tables[-1][2].append(cells)
        else:
            header = None
    return tables


def tables_with(tables, *header):
    """The tables whose header begins with these cells."""
    return [table for table in tables if table[1][:len(header)] == list(header)]
