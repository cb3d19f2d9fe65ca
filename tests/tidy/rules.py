"""The rules of the house as data. What they are good for is said in ARCHITECTURE.md."""

import re

TOP_LEVEL = {
    *["CMakeLists.txt", "CMakePresets.json", "README.md", "ARCHITECTURE.md", "LICENSE"],
    *["kernels", "engine", "formats", "server", "tools", "bench", "tests"],
    *[".ci", ".clang-format", ".clang-tidy", ".gitignore"],
}

# A room may include itself and what stands to its left.
ROOMS = ["kernels", "engine", "formats", "server", "tools"]
# These may include anything; nothing includes them.
OUTER_ROOMS = ["bench", "tests"]

# Folder -> the folders of its own room that it may include. Rooms that are not here only have to
# be free of cycles.
INNER_ARROWS = {
    "engine": {
        "graph": set(),
        "expand": {"graph"},
        "plan": {"graph", "expand"},
        "passes": {"graph", "plan"},
        "device": {"graph", "plan"},
        "run": {"graph", "plan", "device"},
        "quantize": {"graph", "plan", "passes", "run"},
        "tune": {"graph", "plan", "run"},
        "energy": set(),
    },
}
# Rooms to the left that a folder may include, where that is less than its room may.
NARROW_FOLDERS = {
    "kernels/base": {"kernels/base"},
    "engine/energy": {"kernels/base", "engine/energy"},
}

GENERATED_HEADERS = re.compile(r"(\.pb|_generated)\.h$|^build_info\.h$")

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 70
MAX_LINE_CHARACTERS = 100

CPP = (".cc", ".h", ".inc", ".cu")
CODE = (*CPP, ".py", ".sh", ".cmake", ".fbs", ".proto", "CMakeLists.txt")
FORMATTED = (".cc", ".h", ".cu")  # by clang-format; tables in .inc keep their columns
# Text, as opposed to models and corpora.
TEXT = (*CODE, ".md", ".json", ".txt", ".toml", ".yml")

# Split, so that this file does not contain them.
BANNED_WORDS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
BANNED_NAMES = re.compile(r"(^|_)(util|utils|misc|common|helper|helpers|common2|stuff)(_|\.|$)")
FILE_NAME = re.compile(r"^[a-z0-9_]+(-inl)?(\.[a-z0-9_]+)*$")

# What is banned, where it is allowed, and what to do instead.
BANNED_CALLS = [
    (
        r"\b(std::)?(secure_)?getenv\s*\(",
        r"^tools/ergo/main\.cc$|^tests/",
        "configuration comes in as parameters; only tools/ergo/main.cc reads the environment",
    ),
    (
        r"\bstd::(j)?thread\b(?!::hardware)",
        r"^engine/run/thread_pool\.|^engine/energy/meter_sampler\."
        r"|^server/server\.cc$|^server/[a-z_/]*worker[a-z_]*\.|^tools/ergo/|^tests/|^bench/",
        "threads belong to the thread pool and to the named owners of threads",
    ),
    (r"\bstd::async\b|\.detach\(\)", r"^$", "threads are owned and joined"),
    (
        r"\bstd::w?regex\b|#include <regex>",
        r"^$",
        "std::regex is slow and recurses without a bound",
    ),
    (r"(?<![\w:.>])(std::)?system\s*\(|\bpopen\s*\(", r"^tests/", "no shell"),
    (
        r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca)\s*\(",
        r"^$",
        "unbounded or not reentrant",
    ),
    (
        r"\b(std::)?(atoi|atol|atof|sto(i|l|ll|ul|ull|f|d))\s*\(",
        r"^tests/",
        "std::from_chars: no locale, no exception, errors seen",
    ),
    (r"\b(std::)?s?rand\s*\(", r"^$", "<random> with a seed"),
    (r"#pragma once", r"^$", "a header guard named by the path"),
    (r"\bstd::(cout|cerr)\b", r"^tools/|^tests/|^bench/", "spdlog, or a Status for the caller"),
    (r"(?<![\w.>])throw\b", r"^tests/", "Status; no exception crosses a folder"),
    (r"-march=native", r"^$", "binaries run on other machines: kernels choose at run time"),
]

# Rules that other programs than tidy.py hold, and look up exemptions from in the same list.
OTHER_RULES = {"clang-tidy"}

# Words that begin a block which is no function.
NOT_A_FUNCTION = {
    *["if", "for", "while", "switch", "do", "else", "try", "catch", "return", "case", "default"],
    *["namespace", "class", "struct", "enum", "union", "extern"],
}
