"""Runs llama.cpp's own converter of adapters as a separate process: adapter_converter_run.py LLAMA_CPP BASE ADAPTER OUT
TYPE. BASE needs no weights and no tokenizer.
"""

from __future__ import annotations

import runpy
import sys
import types
from pathlib import Path

from converter_run import AutoConfig, AutoTokenizer


def main(llama_cpp: str, base: str, adapter: str, out: str, kind: str) -> None:
    stand_in = types.ModuleType("transformers")
    stand_in.AutoConfig, stand_in.AutoTokenizer = AutoConfig, AutoTokenizer  # type: ignore[attr-defined]
    sys.modules["transformers"] = stand_in
    sys.path.insert(0, llama_cpp)
    sys.path.insert(1, str(Path(llama_cpp) / "gguf-py"))
    sys.argv = ["convert", "--base", base, "--outfile", out, "--outtype", kind, adapter]
    runpy.run_path(str(Path(llama_cpp) / "convert_lora_to_gguf.py"), run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
