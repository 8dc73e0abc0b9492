from __future__ import annotations

import subprocess
import sys

import pytest

from taketwo.errors import ScenarioUnreadable
from taketwo.freeze.yaml_reader import FILE_LIMIT_BYTES, line_of, parse


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3: 'a' is there twice (see line 1)"),
        (
            "a: !!python/object/apply:os.system [ls]\n",
            "f:1: uses a tag (tag:yaml.org,2002:python/object/apply:os.system)",
        ),
        ("a: !secret x\n", "f:1: uses a tag (!secret)"),
        ("a: &b 1\n", "f:1: uses an anchor (&)"),
        ("a: 1\nb: *a\n", "f:2: uses an alias (*)"),
        ("a: 1\n---\nb: 2\n", "f:2: holds a second document"),
        ("", "f: is empty"),
        ("# only a comment\n", "f: is empty"),
        ("? {a: b}\n: 1\n", "f:1: a key must be a text"),
        ("a: 1\n<<<<<<< HEAD\nb: 2\n=======\n", "f:2: holds the marks of a merge conflict"),
        ("said: Hi: there\n", "f:1: is no valid YAML: mapping values are not allowed"),
        ("a:\n\t- b\n", "f:2: is no valid YAML"),
        ("a: 1\nb: 'open\n", "is no valid YAML: while scanning a quoted scalar"),
        ("a: [1, 2\nb: 3\n", "is no valid YAML"),
        ("a: 1\nb: x\x07y\n", "f:2: holds the character U+0007"),
        ("a: 'x\n   y\n z: 1\n", "is no valid YAML"),
    ],
)
def test_what_does_not_belong_into_a_shared_file_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ScenarioUnreadable) as caught:
        parse(text.encode(), "f")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_utf_8_are_refused_with_their_line() -> None:
    with pytest.raises(ScenarioUnreadable, match=r"f:2: is not UTF-8"):
        parse(b"a: 1\nb: \xff\n", "f")


def test_a_billion_laughs_are_not_even_begun() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{key}: &{key} [*{before}, *{before}]\n" for before, key in zip("abc", "bcd", strict=True)
    )
    with pytest.raises(ScenarioUnreadable, match="anchor"):
        parse(bomb.encode(), "f")


@pytest.mark.parametrize("text", ["[" * 50_000, "a: " + "{a: " * 50_000, "- " * 50_000])
def test_endless_nesting_is_refused_and_does_not_exhaust_the_stack(text: str) -> None:
    with pytest.raises(ScenarioUnreadable, match="nested"):
        parse(text.encode(), "f")


def test_a_file_beyond_the_limit_is_refused_unread() -> None:
    with pytest.raises(ScenarioUnreadable, match="is larger than 64 MiB"):
        parse(b"#" * (FILE_LIMIT_BYTES + 1), "f")


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm() -> None:
    assert parse(b"\xef\xbb\xbfa: |-\r\n  one\r\n  two\r\nb: c\r\n", "f") == {"a": "one\ntwo", "b": "c"}


def test_every_place_knows_its_line() -> None:
    document = parse(b"# comment\na:\n- x: 1\n  y:\n  - z\n", "f")
    assert line_of(document, ["a", 0, "y"]) == 4
    assert line_of(document, ["a", 0, "y", 0]) == 5
    assert line_of(document, ["a", 0, "missing"]) == 3
    assert line_of(document, []) == 2


def test_without_libyaml_the_same_is_read_and_refused() -> None:
    program = """
import sys
sys.modules["yaml._yaml"] = None
from taketwo.errors import ScenarioUnreadable
from taketwo.freeze import yaml_reader
assert yaml_reader.Loader.__name__ == "SafeLoader"
document = yaml_reader.parse("a: [{b: 'x', é: 👩}]\\nc: |-\\n  d\\n".encode(), "f")
assert document == {"a": [{"b": "x", "é": "👩"}], "c": "d"}
for bad in ("a: 1\\nb: *a\\n", "b: x\\x07y\\n", "a: 1\\nb: 'open\\n", "a: 1\\nb: \\"\\\\ud800\\"\\n", "[" * 9000):
    try:
        yaml_reader.parse(bad.encode(), "f")
    except ScenarioUnreadable as error:
        print(error)
    else:
        raise SystemExit(f"read {bad!r}")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("f:2: uses an alias")
    assert "f:2: holds half of a character" in done.stdout
