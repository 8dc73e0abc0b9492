"""Unpacking: every encoding gives the bytes back, and none gives more than the limit."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from taketwo.capture.body import decompress, unpacked
from taketwo.errors import MissingExtra, TooLarge, TraceUnreadable

MIB = 1024 * 1024


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def zstd_without_a_size(body: bytes) -> bytes:
    packer = zstandard.ZstdCompressor().compressobj()
    return packer.compress(body) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "gzip by its old name, in capitals": (" X-GZIP ", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without zlib's header": ("deflate", raw_deflate),
    "zstd": ("zstd", zstandard.compress),
    "zstd that does not say its size": ("zstd", zstd_without_a_size),
}

packers = pytest.mark.parametrize(("encoding", "pack"), PACKERS.values(), ids=PACKERS.keys())


@packers
@given(body=st.binary(max_size=2000) | st.binary(max_size=50).map(lambda piece: piece * 9000))
def test_what_was_packed_comes_back(encoding: str, pack: Callable[[bytes], bytes], body: bytes) -> None:
    assert decompress(pack(body), encoding, limit=MIB) == body


@packers
def test_the_limit_is_the_last_size_that_goes_through(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    body = b"0123456789" * 10_000
    assert decompress(pack(body), encoding, limit=len(body)) == body
    with pytest.raises(TooLarge, match="99,999 bytes"):
        decompress(pack(body), encoding, limit=len(body) - 1)


@packers
def test_a_body_that_is_cut_off_is_no_shorter_body(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(b"0123456789" * 10_000)
    for length in (1, len(packed) // 2, len(packed) - 1):
        with pytest.raises(TraceUnreadable, match="cut off"):
            decompress(packed[:length], encoding, limit=MIB)


@packers
@given(body=st.binary(max_size=200))
def test_damaged_bodies_are_refused_in_our_own_words(
    encoding: str, pack: Callable[[bytes], bytes], body: bytes
) -> None:
    try:
        decompress(body, encoding, limit=MIB)
    except TraceUnreadable as error:
        assert "cut off" in error.what or "damaged" in error.what


@pytest.mark.parametrize("encoding", [None, "", "identity", "Identity"])
def test_a_plain_body_is_measured_too(encoding: str | None) -> None:
    assert decompress(b"abc", encoding, limit=3) == b"abc"
    with pytest.raises(TooLarge):
        decompress(b"abcd", encoding, limit=3)


@pytest.mark.parametrize("encoding", ["snappy", "br", "gzip, gzip"])
def test_an_encoding_that_is_not_read_is_named(encoding: str) -> None:
    with pytest.raises(TraceUnreadable, match=encoding):
        decompress(b"abc", encoding, limit=3)


def test_packed_pieces_may_be_glued_together() -> None:
    assert decompress(gzip.compress(b"one ") + gzip.compress(b"two"), "gzip", limit=MIB) == b"one two"
    assert decompress(zstandard.compress(b"one ") + zstandard.compress(b"two"), "zstd", limit=MIB) == b"one two"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_stops_at_the_limit(encoding: str) -> None:
    """256 MiB of zeros may not cost 256 MiB: measured in a process of its own, which may not grow by half of that."""
    program = f"""
import resource, zlib, zstandard
from taketwo.capture.body import decompress
from taketwo.errors import TooLarge
packer = zlib.compressobj(wbits=31) if {encoding!r} == "gzip" else zstandard.ZstdCompressor().compressobj()
bomb = b"".join(packer.compress(bytes(2**24)) for _ in range(16)) + packer.flush()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decompress(bomb, {encoding!r}, limit=16 * 2**20)
except TooLarge:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 128


def test_zstd_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(MissingExtra, match=r"'server'"):
        decompress(zstandard.compress(b"abc"), "zstd", limit=3)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_a_file_says_by_its_first_bytes_how_it_is_packed(pack: Callable[[bytes], bytes]) -> None:
    assert b"".join(unpacked(io.BytesIO(pack(b"line\n" * 50_000)))) == b"line\n" * 50_000
