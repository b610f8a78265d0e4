"""Training: labelled pairs and a checkpoint become a LoRA adapter, a judge that is tuned to them.

    recipe.py      what decides a training, beside its data and its model
    replies.py     the text that a judge should write about a pair
    examples.py    a pair in an order as tokens: the prompt that `eval` asks, then the reply
    split.py       which pairs are kept back for validation
    batches.py     which examples each step learns from, and how they are padded
    families.py    what each family of models calls its matrices; network.py: their arithmetic in torch
    adapter.py     LoRA on the matrices by peft, and the adapter's file
    measuring.py   the loss on tokens of replies, and how many validation verdicts are right
    state.py       all that a training needs to go on; folder.py: the files of a training
    cost.py        the time and memory of a training, measured before its first step
    trainer.py     the steps
    session.py     all of this in its order, up to the adapter in the folder
    devices.py     torch's devices and types

Only files of this wing and of pocket/ that train import torch, and a workflow imports these when it trains.
Does not know: where checkpoints, pairs and benchmarks come from.
"""
