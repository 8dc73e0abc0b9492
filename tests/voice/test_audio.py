from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

pytest.importorskip("soundfile", reason="needs the extra 'audio'")

import numpy as np
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from spoken_calls import AGENT, CALLER, clip, laid_out

from taketwo.errors import TooLarge, TraceUnreadable
from taketwo.voice.activity import speech
from taketwo.voice.audio import (
    HEARING_RATE,
    Sound,
    from_mulaw,
    from_pcm16,
    mulaw,
    pcm16,
    read_sound,
    wav_bytes,
    with_true_length,
)


def tone(seconds: float = 0.5, rate: int = 8000) -> Sound:
    wave = (0.3 * np.sin(np.arange(round(seconds * rate)) * 0.3)).astype(np.float32)
    return Sound((wave, -wave), rate)


def test_a_wav_comes_back_as_it_was_written() -> None:
    sound = tone()
    back = read_sound(wav_bytes(sound))
    assert back.rate == 8000 and len(back.channels) == 2
    assert np.abs(back.channels[0] - sound.channels[0]).max() < 1e-4


@pytest.mark.parametrize("claimed", [0xFFFFFFFF, 0, 0x7FFFFFFF])
def test_a_wav_with_a_false_length_is_as_long_as_it_is(claimed: int) -> None:
    body = wav_bytes(tone())
    at = body.index(b"data") + 4
    lied = body[:at] + claimed.to_bytes(4, "little") + body[at + 4 :]
    assert read_sound(lied).length_s == pytest.approx(0.5)
    assert with_true_length(body) == body


@pytest.mark.parametrize(("format", "suffix"), [("OGG", "ogg"), ("MP3", "mp3"), ("FLAC", "flac")])
def test_compressed_recordings_are_read(tmp_path: Path, format: str, suffix: str) -> None:
    file = tmp_path / f"call.{suffix}"
    soundfile.write(file, np.stack(tone(1.0, 16000).channels, axis=1), 16000, format=format)
    assert read_sound(file).length_s == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("body", [b"", b"RIFF", b"no sound at all", b"RIFF\xff\xff\xff\xffWAVEfmt "])
def test_what_is_no_sound_is_told_so(body: bytes) -> None:
    with pytest.raises(TraceUnreadable, match="no sound"):
        read_sound(body)


def test_a_recording_of_hours_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "long.flac"
    soundfile.write(file, np.zeros(100 * 60 * 300, dtype=np.float32), 100, format="FLAC")
    with pytest.raises(TooLarge, match="300 minutes"):
        read_sound(file)


@given(st.lists(st.floats(-1, 1, width=32), max_size=200))
def test_telephone_codecs_keep_the_sound(values: list[float]) -> None:
    samples = np.array(values, dtype=np.float32)
    assert np.allclose(from_pcm16(pcm16(samples)), samples, atol=1e-4)
    assert np.allclose(from_mulaw(mulaw(samples)), samples, atol=0.035)


@given(st.binary(max_size=300))
def test_every_byte_is_some_mulaw_sample_and_comes_back_as_itself(body: bytes) -> None:
    again = mulaw(from_mulaw(body))
    # There are two codes for zero.
    assert again.replace(b"\x7f", b"\xff") == body.replace(b"\x7f", b"\xff")


def test_speaking_is_found_where_it_is_to_a_few_hundredths_of_a_second() -> None:
    sound, spans = laid_out((CALLER[0], 1.0), (CALLER[3], 5.0), (CALLER[1], 8.0))
    found = speech(sound.channels[0])
    assert len(found) == 3
    for each, (_, start, end) in zip(found, spans, strict=True):
        assert each.start_s == pytest.approx(start, abs=0.04)
        assert each.end_s == pytest.approx(end, abs=0.06)


def test_there_is_no_speaking_in_silence_and_noise() -> None:
    noise = np.random.default_rng(1).normal(0, 0.02, 3 * HEARING_RATE).astype(np.float32)
    assert speech(noise) == []
    assert speech(np.zeros(HEARING_RATE, dtype=np.float32)) == []
    assert speech(np.zeros(0, dtype=np.float32)) == []
    assert len(clip(AGENT[0]))


def test_five_hours_of_a_wav_are_refused_by_its_head(tmp_path: Path) -> None:
    """The file is as long as it says, and nothing of it is on disk: reading it would be noticed."""
    file, length = tmp_path / "five.wav", 5 * 3600 * 16_000 * 4
    head = wav_bytes(Sound((np.zeros(1, dtype=np.float32),) * 2, 16_000))[:-4]
    file.write_bytes(head[:4] + (36 + length).to_bytes(4, "little") + head[8:-4] + length.to_bytes(4, "little"))
    with file.open("r+b") as written:
        written.truncate(len(head) + length)
    tracemalloc.start()
    with pytest.raises(TooLarge, match="300 minutes"):
        read_sound(file)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_words_are_found_on_both_sides_of_a_silence_that_is_not_listened_to() -> None:
    sound, _ = laid_out((CALLER[0], 1.0), (CALLER[1], 120.0))
    near, _ = laid_out((CALLER[0], 1.0), (CALLER[1], 6.0))
    found, beside = speech(sound.channels[0]), speech(near.channels[0])
    assert len(found) == len(beside) == 2
    assert found[0] == pytest.approx(beside[0], abs=0.001)
    assert found[1].start_s == pytest.approx(beside[1].start_s + 114.0, abs=0.02)
    assert found[1].end_s == pytest.approx(beside[1].end_s + 114.0, abs=0.02)
