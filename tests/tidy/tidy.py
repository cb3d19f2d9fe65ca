#!/usr/bin/env python3
"""Holds the rules of the house over the whole tree: `tests/tidy/tidy.py`, from anywhere.

Prints path:line: rule: message, one a line, and exits with 1 when there is any.
"""

import pathlib
import subprocess
import sys

import checks
import rules
from checks import Finding

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXEMPTIONS = "tests/tidy/exempt.txt"


def list_files(root):
    """Paths of all files that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout.decode()
    # What is deleted but not yet committed is still listed.
    return [path for path in listed.split("\0") if path and (root / path).is_file()]


def read_tree(root):
    """path -> text, empty for what is no text."""
    tree = {}
    for path in list_files(root):
        try:
            tree[path] = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            tree[path] = ""
    return tree


def read_exemptions(text):
    """{(path, rule): line number}, and findings for lines that do not parse."""
    exemptions, findings = {}, []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split(None, 2)
        if len(fields) < 3:
            findings.append(Finding(EXEMPTIONS, "exemption", number, "wants path, rule and reason"))
        else:
            exemptions[fields[0], fields[1]] = number
    return exemptions, findings


def judge(tree):
    exemptions, findings = read_exemptions(tree.get(EXEMPTIONS, ""))
    used = set()
    for finding in checks.all_findings(tree):
        if (finding.path, finding.rule) in exemptions:
            used.add((finding.path, finding.rule))
        else:
            findings.append(finding)
    for key in sorted(set(exemptions) - used):
        if key[1] in rules.OTHER_RULES and key[0] in tree:
            continue
        findings.append(
            Finding(
                EXEMPTIONS,
                "exemption",
                exemptions[key],
                f"{key[0]} does not break {key[1]} (any more): take the line out",
            )
        )
    return findings


def main():
    tree = read_tree(ROOT)
    findings = judge(tree)
    for finding in findings:
        print(f"{finding.path}:{finding.line}: {finding.rule}: {finding.message}")
    print(f"{len(tree)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
