"""The checks: a tree (path -> text) in, findings out. No files are touched here."""

import ast
import collections
import posixpath
import re

import cpp_source
import rules

Finding = collections.namedtuple("Finding", "path rule line message")


def room_of(path):
    return path.split("/")[0]


def folder_of(path):
    """The second-level folder; a file that stands in its room itself is a folder of its own."""
    parts = path.split("/")
    return "/".join(parts[:2])


def is_cpp(path):
    return path.endswith(rules.CPP)


def in_production(path):
    return room_of(path) in rules.ROOMS


def check_top_level(paths):
    names = {path.split("/")[0] for path in paths}
    for name in sorted(names - rules.TOP_LEVEL):
        yield Finding(name, "top-level", 1, "does not belong to the top level")
    for name in sorted(rules.TOP_LEVEL - names):
        yield Finding(name, "top-level", 1, "is missing from the top level")


def included_by(tree):
    """path -> the paths of this tree that it includes."""
    return {
        path: [i for i in cpp_source.includes(text) if i in tree]
        for path, text in tree.items()
        if is_cpp(path)
    }


def check_includes(tree):
    for path, text in tree.items():
        if not is_cpp(path):
            continue
        for include in cpp_source.includes(text):
            if include in tree or rules.GENERATED_HEADERS.search(include):
                yield from _check_arrow(path, include)
            else:
                yield Finding(
                    path,
                    "include",
                    _line_of(text, include),
                    f'"{include}" is no path from the root of the project',
                )


def _check_arrow(path, include):
    room, target = room_of(path), room_of(include)
    if room in rules.OUTER_ROOMS:
        return
    if target in rules.OUTER_ROOMS:
        yield Finding(path, "arrows", 1, f"{include}: nothing includes {target}/")
        return
    if rules.ROOMS.index(target) > rules.ROOMS.index(room):
        yield Finding(path, "arrows", 1, f"{include}: {room}/ must not know {target}/")
    folder, other = folder_of(path), folder_of(include)
    narrow = rules.NARROW_FOLDERS.get(folder)
    if narrow is not None and other not in narrow:
        yield Finding(path, "arrows", 1, f"{include}: {folder}/ may only include {sorted(narrow)}")
    arrows = rules.INNER_ARROWS.get(room)
    if arrows is not None and room == target and folder != other:
        inner, inner_other = folder.split("/")[1], other.split("/")[1]
        if inner not in arrows:
            yield Finding(
                path, "arrows", 1, f"{folder}/ has no arrows: add it to tests/tidy/rules.py"
            )
        elif inner_other not in arrows[inner]:
            yield Finding(path, "arrows", 1, f"{include}: {folder}/ must not know {other}/")


def check_cycles(tree):
    edges = included_by(tree)
    for cycle in _cycles(edges):
        yield Finding(cycle[0], "cycle", 1, "files include each other: " + " -> ".join(cycle))
    folders = collections.defaultdict(set)
    for path, targets in edges.items():
        if in_production(path):
            folders[folder_of(path)] |= {folder_of(t) for t in targets} - {folder_of(path)}
    for cycle in _cycles(folders):
        yield Finding(cycle[0], "cycle", 1, "folders include each other: " + " -> ".join(cycle))


def _cycles(edges):
    """One cycle of every set of nodes that reach each other, as a closed path."""
    state, cycles = {}, []

    def visit(node, trail):
        state[node] = "open"
        for target in sorted(edges.get(node, ())):
            if state.get(target) == "open":
                cycles.append([*trail[trail.index(target) :], target])
            elif target not in state:
                visit(target, [*trail, target])
        state[node] = "done"

    for node in sorted(edges):
        if node not in state:
            visit(node, [node])
    return cycles


def check_lengths(tree):
    for path, text in tree.items():
        if not path.endswith(rules.CODE):
            continue
        lines = text.split("\n")
        if len(lines) - 1 > rules.MAX_FILE_LINES:
            yield Finding(
                path,
                "file-length",
                1,
                f"{len(lines) - 1} lines are more than {rules.MAX_FILE_LINES}",
            )
        for number, line in enumerate(lines, 1):
            if len(line) > rules.MAX_LINE_CHARACTERS:
                yield Finding(
                    path,
                    "line-length",
                    number,
                    f"{len(line)} characters are more than {rules.MAX_LINE_CHARACTERS}",
                )
        for number, size, name in functions_of(path, text):
            if size > rules.MAX_FUNCTION_LINES:
                yield Finding(
                    path,
                    "function-length",
                    number,
                    f"{size} lines are more than {rules.MAX_FUNCTION_LINES}: {name[:60]}",
                )


def functions_of(path, text):
    if is_cpp(path):
        return cpp_source.functions(text)
    if path.endswith(".py"):
        nodes = ast.walk(ast.parse(text))
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [
            (n.lineno, n.end_lineno - n.lineno + 1, n.name) for n in nodes if isinstance(n, kinds)
        ]
    return []


def check_names(paths):
    for path in paths:
        name = posixpath.basename(path)
        if rules.BANNED_NAMES.search(name):
            yield Finding(path, "file-name", 1, "says nothing about what is in it")
        if is_cpp(path) and not rules.FILE_NAME.match(name):
            yield Finding(path, "file-name", 1, "files are named in snake_case")


def check_headers(tree):
    for path, text in tree.items():
        if not path.endswith(".h"):
            continue
        guard = "ERGO_" + re.sub(r"[^A-Z0-9]", "_", path.upper()) + "_"
        if path.endswith("-inl.h"):
            guard_lines = [
                f"#if defined({guard}) == defined(HWY_TARGET_TOGGLE)",
                f"#define {guard}",
            ]
            if f"defined({guard})" not in text:
                yield Finding(path, "guard", 1, "is not guarded by " + guard_lines[0])
        elif f"#ifndef {guard}\n#define {guard}\n" not in text or not text.endswith(
            f"#endif  // {guard}\n"
        ):
            yield Finding(path, "guard", 1, f"is not guarded by {guard}")
        if not text.startswith("// "):
            yield Finding(path, "header-comment", 1, "does not begin by saying what it is for")
        if re.search(r"^\s*using namespace", text, re.MULTILINE):
            yield Finding(path, "banned", 1, "using namespace in a header")


def check_registry(tree):
    """A family that kernels/registry.cc does not list cannot be named on a command line."""
    registry = tree.get("kernels/registry.cc", "")
    for path, text in tree.items():
        if not (path.startswith("kernels/") and path.endswith(".h")):
            continue
        for found in re.finditer(r"std::span<const KernelVariant<\w+>> (\w+Variants)\(\);", text):
            if not re.search(rf"\b{found[1]}\(\)", registry):
                line = text.count("\n", 0, found.start()) + 1
                yield Finding(path, "registry", line, f"{found[1]} is not in kernels/registry.cc")


def check_banned(tree):
    for path, text in tree.items():
        if path.endswith(rules.TEXT):
            for number, line in enumerate(text.split("\n"), 1):
                if rules.BANNED_WORDS.search(line):
                    yield Finding(path, "banned-word", number, line.strip()[:60])
        if not path.endswith((*rules.CPP, "CMakeLists.txt", ".cmake")):
            continue
        code = cpp_source.without_comments(text) if is_cpp(path) else text
        for pattern, allowed, advice in rules.BANNED_CALLS:
            if re.search(allowed, path):
                continue
            for match in re.finditer(pattern, code):
                line = code.count("\n", 0, match.start()) + 1
                yield Finding(path, "banned", line, f"{match.group(0).strip()}: {advice}")


def check_whitespace(tree):
    for path, text in tree.items():
        if not path.endswith(rules.TEXT):
            continue
        if text and not text.endswith("\n"):
            yield Finding(path, "whitespace", 1, "does not end with a line's end")
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip() and not path.endswith(".txt"):
                yield Finding(path, "whitespace", number, "blanks at the end of the line")
            if "\t" in line and path.endswith(rules.CODE):
                yield Finding(path, "whitespace", number, "a tab")


def check_documented_folders(tree):
    """Each folder of the first and second level has its line in ARCHITECTURE.md."""
    text = tree.get("ARCHITECTURE.md", "")
    folders = set()
    for path in tree:
        parts = path.split("/")
        folders |= {"/".join(parts[:depth]) for depth in (1, 2) if len(parts) > depth}
    for folder in sorted(folders):
        if not re.search(rf"`{re.escape(folder)}/?`", text):
            yield Finding("ARCHITECTURE.md", "documented", 1, f"does not name `{folder}/`")


_MD_CODE = re.compile(r"`([^`\n]+)`")
_MD_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
_PATH = re.compile(r"^(\./)?[\w.-]+(/[\w.-]+)*/?$")
_PLACEHOLDER = re.compile(r"(^|[/_.])(NAME|ROOM|FOLDER|PRESET|VERSION|MODEL)([/_.]|$)")


def check_doc_paths(tree):
    """Paths that the documents name exist: links, and in backticks whatever begins with a room."""
    known = set(tree)
    for path in tree:
        parts = path.split("/")
        known |= {"/".join(parts[:depth]) for depth in range(1, len(parts))}
    rooms = {*rules.ROOMS, *rules.OUTER_ROOMS, ".ci"}
    for path, text in tree.items():
        if not path.endswith(".md"):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            named = [target for target in _MD_LINK.findall(line) if "://" not in target]
            base = posixpath.dirname(path)
            candidates = [
                (target, posixpath.normpath(posixpath.join(base, target))) for target in named
            ]
            for code in _MD_CODE.findall(line):
                word = code.split()[0] if code.split() else ""
                clean = word.removeprefix("./").rstrip("/")
                if _PLACEHOLDER.search(word):
                    continue
                if _PATH.match(word) and "/" in word and clean.split("/")[0] in rooms:
                    candidates.append((word, clean))
            for shown, target in candidates:
                if target not in known:
                    yield Finding(path, "doc-path", number, f"{shown} does not exist")


def _line_of(text, include):
    at = text.find(f'"{include}"')
    return text.count("\n", 0, at) + 1


def all_findings(tree):
    """Every finding of a whole tree, in order of path and line."""
    findings = [
        *check_top_level(tree),
        *check_includes(tree),
        *check_cycles(tree),
        *check_lengths(tree),
        *check_names(tree),
        *check_headers(tree),
        *check_registry(tree),
        *check_banned(tree),
        *check_whitespace(tree),
        *check_documented_folders(tree),
        *check_doc_paths(tree),
    ]
    return sorted(set(findings))
