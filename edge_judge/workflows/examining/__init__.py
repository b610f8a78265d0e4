"""How a machine is examined. None of it loads llama.cpp, which may be what ails.

machine.py    system, processor, memory and limits, and what goes on there now
places.py     folders that are written to
probe.py      llama.cpp, in a process of its own
diagnosis.py  what the figures mean, and what to do
"""
