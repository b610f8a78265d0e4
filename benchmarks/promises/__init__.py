"""What this project promises of its statistics, each promise a file: simulations that count how often it is broken.

    promise.py   what a promise is, and how it is counted

Every other file has a list PROMISES. `benchmarks/validate.py` finds the files by themselves.
"""
