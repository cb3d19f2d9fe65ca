"""As much of C++ as the rules need: comments and strings taken out, includes, functions."""

import re

from rules import NOT_A_FUNCTION

_TOKENS = re.compile(
    r"//[^\n]*|/\*.*?\*/"  # comments
    r'|R"([^()\\ ]*)\(.*?\)\1"'  # raw strings
    r'|"(?:\\.|[^"\\\n])*"'  # strings
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",  # characters, but no digit separators
    re.DOTALL,
)
_DIRECTIVES = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def _blank(match):
    """The same number of lines and no other character."""
    text = match.group(0)
    quotes = '""' if text[0] in "R\"'" else ""
    return quotes + "\n" * text.count("\n")


def without_comments(text, strings=False):
    """Comments gone, strings too unless `strings`; lines stay where they are."""
    if strings:
        return _TOKENS.sub(lambda m: _blank(m) if m.group(0).startswith("/") else m.group(0), text)
    return _TOKENS.sub(_blank, text)


def includes(text):
    return _INCLUDE.findall(text)


def functions(text):
    """(line, number of lines, header) of every function with a body; lambdas too where they stand
    outside of one."""
    code = _DIRECTIVES.sub(lambda m: "\n" * m.group(0).count("\n"), without_comments(text))
    found = []
    blocks = []  # (header, line where it begins, is a function, is an initializer)
    data = 0  # how many of the open blocks are tables of values
    header, header_line, line = "", 1, 1
    for index, character in enumerate(code):
        if character == "\n":
            line += 1
        if character == "{":
            # clang-format puts a blank before a block's brace and none before an initializer's.
            initializer = index > 0 and not code[index - 1].isspace()
            function = not initializer and not data and _is_function(header)
            data += header.rstrip().endswith("=")
            blocks.append((header, header_line, function, initializer))
            header = ""
        elif character == "}":
            if not blocks:
                break  # no C++ that we understand
            opened, begin, function, initializer = blocks.pop()
            data -= opened.rstrip().endswith("=")
            if function and not any(outer for _, _, outer, _ in blocks):
                found.append((begin, line - begin + 1, " ".join(opened.split())))
            # An initializer in the middle of a statement ("a_{1}, b_{2} {") does not end it.
            header = opened + "{}" if initializer else ""
            header_line = begin
        elif character == ";" and header.count("(") <= header.count(")"):
            header = ""
        elif header.strip() or not character.isspace():
            if not header.strip():
                header_line = line
            header += character
    return found


def _is_function(header):
    words = re.findall(r"[A-Za-z_]\w*", header)
    if "(" not in header or not words:
        return False
    # Access specifiers stay in front of the first function after them.
    while words and words[0] in ("public", "private", "protected"):
        words = words[1:]
    if not words or words[0] in NOT_A_FUNCTION:
        return False
    if words[0] == "template":
        after = re.sub(r"template\s*<[^{}]*?>\s*(?=\w)", "", header, count=1)
        words = re.findall(r"[A-Za-z_]\w*", after) or [""]
        if words[0] in NOT_A_FUNCTION:
            return False
    before_parameters = header.split("(")[0]
    return "=" not in before_parameters or "operator" in before_parameters or "[" in header
