#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Turn the tables recorded from a stock system into C++ tables that compare them with our headers.

usage: gen_checks.py SOURCE_TREE OUTPUT_DIR

Writes layout_table.inc and constant_table.inc. Every structure and every constant of the recorded
tables must be either in our headers or in the exclusion files with a reason; every structure and
every protocol constant of our headers must be in the recorded tables or be declared as our own.
Anything else ends the build with a message.
"""

import collections
import fnmatch
import pathlib
import re
import sys

problems = []


def rows(path, header):
    """The lines of a table as lists of columns, without comments and without its heading."""
    for line in path.read_text().split("\n"):
        if line and not line.startswith("#"):
            cols = line.split("\t")
            if cols[0] != header:
                yield cols


class Exclusions:
    """Lines 'kind TAB pattern TAB reason'; complains about patterns that match nothing."""

    def __init__(self, path):
        self.path = path
        self.lines = [tuple(c) for c in rows(path, "kind")]
        self.used = set()
        for line in self.lines:
            if len(line) != 3 or not line[2].strip():
                problems.append(f"{path.name}: a line without a reason: {line}")

    def match(self, kind, name):
        hit = False
        for line in self.lines:
            if line[0] == kind and fnmatch.fnmatchcase(name, line[1]):
                self.used.add(line)
                hit = True
        return hit

    def check_used(self):
        for line in self.lines:
            if line not in self.used:
                problems.append(f"{self.path.name}: matches nothing: {line[0]} {line[1]}")


def our_structs(headers):
    """Names of all overlay structures: those that assert their size."""
    found = {}
    for h in headers:
        for m in re.finditer(r"static_assert\(sizeof\((\w+)\) == (\d+)", h.read_text()):
            found[m.group(1)] = int(m.group(2))
    return found


def our_constants(headers):
    """Protocol name -> C++ expression, from 'inline constexpr' lines and enum classes."""
    found = {}
    for h in headers:
        text = re.sub(r"//[^\n]*", "", h.read_text())
        for m in re.finditer(r"inline constexpr [\w:]+ ([A-Z]\w*)\s*=", text):
            found[m.group(1)] = f"wire::{m.group(1)}"
        for m in re.finditer(r"enum class (\w+) : \S+ \{(.*?)\};", text, re.S):
            for e in re.finditer(r"(\w+)\s*=", m.group(2)):
                found[e.group(1)] = f"wire::{m.group(1)}::{e.group(1)}"
    return found


def our_errnos(result_hpp):
    """LUSTRE_E* -> C++ expression for the error numbers the core names."""
    text = result_hpp.read_text()
    names = re.findall(r"\b([A-Z][A-Z0-9_]*)\{\d+\}", text)
    plain = {"BIG2": "2BIG", "OVERFLOW_": "OVERFLOW"}
    return {"LUSTRE_E" + plain.get(n, n): f"cfs::err::{n}" for n in names}


def field_row(stock, ours, prefix, renames, cols):
    """One C++ initialiser for a row of wire-layout.tsv, or None when it has no counterpart."""
    field, offset, size, array, _total, _type, bits = cols[1:8]
    if field.endswith("(anon)") or "__empty" in field or array.startswith("flex"):
        return None
    if int(size or 0) == 0:
        return None
    offset, size = int(offset, 0), int(size)
    if bits:
        first, width = map(int, bits.split(":"))
        offset += first // 8
        size = max(width // 8, 1)
    name = renames.get(field)
    if name is None:
        name = field
        if prefix != "-" and field.startswith(prefix):
            name = field[len(prefix):]
    type_ = f"wire::{ours}"
    return (f'\t{{"{stock}", "{field}", offsetof({type_}, {name}), '
            f"sizeof(std::declval<{type_} &>().{name}), {offset}, {size}}},")


def layout_table(golden, headers, out):
    stock = collections.OrderedDict()
    for cols in rows(golden / "data/wire-layout.tsv", "struct"):
        stock.setdefault(cols[0], []).append(cols)
    mapping = {}
    for cols in rows(golden / "layout_map.tsv", "struct"):
        renames = dict(p.split("=") for p in cols[3].split(",")) if len(cols) > 3 else {}
        mapping[cols[0]] = (cols[1], cols[2], renames)
    excluded = Exclusions(golden / "layout_exclusions.tsv")
    ours = our_structs(headers)
    mapped_ours = set()
    for name, lines in stock.items():
        skip = excluded.match("struct", name) | excluded.match("header", lines[0][8])
        if (name in mapping) == bool(skip):
            problems.append(f"{name}: " + ("mapped and excluded" if skip else "not mapped, not excluded"))
            continue
        if skip:
            continue
        our, prefix, renames = mapping[name]
        mapped_ours.add(our)
        out.append(f'\t{{"{name}", "", 0, sizeof(wire::{our}), 0, {lines[0][5]}}},')
        for cols in lines:
            row = field_row(name, our, prefix, renames, cols)
            if row:
                out.append(row)
    for name in mapping:
        if name not in stock:
            problems.append(f"layout_map.tsv: no such structure: {name}")
    for our in ours:
        if our not in mapped_ours and not excluded.match("own", our):
            problems.append(f"wire::{our} has no stock structure and is not declared as our own")
    excluded.check_used()


def constant_table(golden, headers, errnos, out):
    ours = our_constants(headers) | errnos
    excluded = Exclusions(golden / "constant_exclusions.tsv")
    known = set()
    for group, name, value in rows(golden / "data/wire-constants.tsv", "group"):
        known.add(name)
        if name in ours:
            text = value if value.startswith('"') else "{}"
            number = "0" if value.startswith('"') else f"{int(value, 0):#x}u"
            out.append(f'\tcheck("{name}", {ours[name]}, {number}, {text}),')
        elif not excluded.match("name", name) | excluded.match("group", group):
            problems.append(f"{name} ({group}): not in our headers, not excluded")
    for name in ours:
        if name not in known and not name.startswith("k") and not excluded.match("own", name):
            problems.append(f"{name}: not a stock constant and not declared as our own")
    excluded.check_used()


def main():
    tree, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    golden = tree / "tests/golden"
    headers = sorted((tree / "lustre/include/wire").glob("*.hpp"))
    layouts, constants = [], []
    layout_table(golden, headers, layouts)
    errnos = our_errnos(tree / "libcfs/include/libcfs/result.hpp")
    constant_table(golden, headers, errnos, constants)
    for p in problems:
        print("gen_checks:", p, file=sys.stderr)
    if problems:
        return 1
    output.mkdir(parents=True, exist_ok=True)
    (output / "layout_table.inc").write_text("\n".join(layouts) + "\n")
    (output / "constant_table.inc").write_text("\n".join(constants) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
