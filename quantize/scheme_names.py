"""The names of the quantization schemes. Standard library only: a shell that completes one cannot wait for more.

Knows nothing about what a scheme means.
"""

from __future__ import annotations

# name -> llama_ftype of llama.cpp's llama.h; mixed-expert and vendor formats are left out
SCHEMES = {
    "f32": 0, "f16": 1, "bf16": 32, "q8_0": 7, "q6_k": 18,
    "q5_k_m": 17, "q5_k_s": 16, "q5_1": 9, "q5_0": 8,
    "q4_k_m": 15, "q4_k_s": 14, "q4_1": 3, "q4_0": 2, "iq4_nl": 25, "iq4_xs": 30,
    "q3_k_l": 13, "q3_k_m": 12, "q3_k_s": 11, "iq3_m": 27, "iq3_s": 26, "iq3_xs": 22, "iq3_xxs": 23,
    "q2_k": 10, "q2_k_s": 21, "iq2_m": 29, "iq2_s": 28, "iq2_xs": 20, "iq2_xxs": 19,
    "iq1_m": 31, "iq1_s": 24, "tq2_0": 37, "tq1_0": 36,
}  # fmt: skip
ALIASES = {"q5_k": "q5_k_m", "q4_k": "q4_k_m", "q3_k": "q3_k_m"}
