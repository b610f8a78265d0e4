"""Checkpoint to verified GGUF, in one pass and without an f16 intermediate.

Knows nothing about judging. Each module does one thing and imports only what stands above it here:

    errors         the error tree
    lock           models.lock and the list of files built on this machine
    source         where a checkpoint's bytes come from
    checkpoint     the tensors of a checkpoint, as memory-mapped rows
    config         config.json with errors that name the field and the file
    architectures  one file per family: names, hyperparameters, order of rows
    vocab          tokenizer files to GGUF token fields, chat template
    container      the GGUF header: written with gguf, read back with a reader of its own
    imatrix        importance matrices
    schemes        scheme to type of every tensor, asked of llama.cpp itself
    pack           rows to quantized rows to their place in the GGUF
    verify         reopens the written file: header, tensor table, size, hash
    build          all of the above, published atomically
"""
