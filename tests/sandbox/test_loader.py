"""Source text in every encoding that students save, and what an import finds."""

from __future__ import annotations

import pytest

from autograder.sandbox.loader import OtherPackages, SourceError, decode_source


@pytest.mark.parametrize(
    "data",
    [
        "x = 'é'\n".encode(),
        b"\xef\xbb\xbf" + "x = 'é'\n".encode(),
        b"# coding: latin-1\nx = '\xe9'\n",
        b"#!/usr/bin/python\n# -*- coding: cp1252 -*-\r\nx = '\xe9'\r\n",
        "x = 'é'\r\n".encode(),
        "x = 'é'\r".encode(),
        "x = 'é'".encode(),
    ],
)
def test_every_encoding_that_python_reads_is_read(data: bytes) -> None:
    names: dict[str, str] = {}
    source = decode_source(data, "operators.py")
    assert "\r" not in source
    exec(source, names)
    assert names["x"] == "é"


@pytest.mark.parametrize(
    ("data", "text", "line"),
    [
        (b"x = 1\ny = '\0'\n", "contains a null byte; save it as UTF-8 text", 2),
        ("x = 1".encode("utf-16"), "looks like UTF-16", 1),
        (b"x = 1\n# caf\xe9\n", r"not valid utf-8 \(byte 0xe9 on line 2\)", 2),
        (b"# coding: klingon\n", "klingon", 1),
        (b"\xef\xbb\xbf# coding: latin-1\n", "utf-8", 1),
    ],
)
def test_a_source_that_is_no_text_says_where_and_why(data: bytes, text: str, line: int) -> None:
    with pytest.raises(SourceError, match=text) as caught:
        decode_source(data, "operators.py")
    assert "operators.py" in str(caught.value)
    assert caught.value.line == line


def test_only_pythons_own_modules_and_the_allowed_ones_are_found() -> None:
    finder = OtherPackages({"torch"})
    finder.find_spec("json")
    finder.find_spec("torch")
    finder.find_spec("anything.below", ["/a/package"])
    with pytest.raises(ModuleNotFoundError, match="No module named 'pandas'"):
        finder.find_spec("pandas")
