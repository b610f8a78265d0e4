"""Hash of pairs.jsonl, which is checked before it is read. Written by make_pairs.py."""

SHA256 = "f964c70595d66e2575feb370ce5fa21af0f8801db8b8bec10b57910e039559c5"
