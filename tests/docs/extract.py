"""Makes one shell script of the command blocks of a Markdown file, in order.

    extract.py FILE > SCRIPT

A block is a fence ```sh. Comments of the page say how it is run:

    <!-- docs: left out: REASON -->     above it: not at all
    <!-- docs: before: COMMANDS -->     above it: what the text takes for given
    <!-- docs: may fail: STATUS -->     above it: this status is as good as 0
    <!-- docs: then: COMMANDS -->       above or below it: what the text says of it holds

The script stops at the first command that fails, and names the block by its line. Blocks of other kinds (conf, yaml,
console) are not run here, README's programs by tests/docs/clients; those of the section Sentinel are run by tests/it/sentinel_docs.rs.
"""

import re
import shlex
import sys

COMMENT = re.compile(r"<!-- docs: (left out|before|may fail|then): (.*) -->$")
HEAD = r"""
set -eEuo pipefail
at=; text=
trap 'echo "FAILED: $at: $text"' ERR
"""


def main(path):
    lines = open(path, encoding="utf-8").read().splitlines()
    print(HEAD)
    pending, count, line = [], 0, 0
    while line < len(lines):
        found = COMMENT.match(lines[line])
        if found:
            pending.append((*found.groups(), line + 1))
        elif lines[line] == "```sh":
            begin = line + 1
            line = begin + lines[begin:].index("```")
            notes = {kind: text for kind, text, _ in pending}
            pending = []
            if "left out" in notes:
                print("echo " + shlex.quote(f"left out: {path}:{begin}: {notes['left out']}"))
            else:
                count += 1
                block(path, begin, lines[begin:line], notes)
                # What the text says of it may stand below.
                below = COMMENT.match(lines[line + 1]) if line + 1 < len(lines) else None
                if below and below.group(1) == "then":
                    check(path, line + 2, below.group(2))
                    line += 1
        elif lines[line].strip() and pending:
            sys.exit(f"{path}:{pending[0][2]}: no block of commands follows")
        line += 1
    print(f"echo '{path}: {count} blocks of commands ran'")


def check(path, line, text):
    print(f"at={path}:{line} text='the text does not hold'")
    # As a command of its own each, so that any of them fails.
    print(text)


def block(path, line, commands, notes):
    print(f"at={path}:{line} text='a command fails'")
    if "before" in notes:
        print(notes["before"])
    status = notes.get("may fail")
    print("\n".join(["{", *commands, f"}} || [ $? = {status} ]"] if status else commands))
    if "then" in notes:
        check(path, line, notes["then"])


main(sys.argv[1])
