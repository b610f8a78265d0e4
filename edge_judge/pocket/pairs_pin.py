"""Hash of pairs.jsonl, which is checked before it is read. Written by make_pairs.py."""

SHA256 = "87a5fe789cb5c6133d71fc344bb0a7fc1a338cc3ca403fcfd34c94dddc3c7413"
