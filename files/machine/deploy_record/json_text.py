"""JSON of texts, numbers, lists and objects, since Debian's python3-minimal has no json."""

import ast


def loads(text):
    """The value. Raises ValueError, also for true, false and null, which nobody here writes."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(str(error)) from None


def dumps(value, indent=""):
    """The text, in one line; with `indent` (spaces) an object has a line for each of its keys."""
    if isinstance(value, str):
        return '"' + "".join(map(_escaped, value)) + '"'
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(dumps(each) for each in value) + "]"
    begin, between, end = (
        ("\n" + indent, ",\n" + indent, "\n" + indent[1:]) if indent else ("", ", ", "")
    )
    deeper = indent + " " if indent else ""
    pairs = (dumps(key) + ": " + dumps(each, deeper) for key, each in sorted(value.items()))
    return "{" + (begin + between.join(pairs) + end if value else "") + "}"


def _escaped(character):
    code = ord(character)
    if character in '"\\':
        return "\\" + character
    if 32 <= code < 127:
        return character
    if code > 0xFFFF:  # two halves, as JSON has them
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"
