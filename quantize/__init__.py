"""Checkpoint to verified GGUF, in one pass and without an f16 intermediate.

Knows nothing about judging. Each module does one thing and imports only what stands above it here:

    errors         the error tree
    json_file      untrusted JSON
    toml_text      untrusted TOML
    digest         the sha256 of files
    atomic         files that are written completely or not at all
    disk           free space and memory for a build
    lock           models.lock and the list of files built on this machine
    prompts        the prompt a judge was trained on, from the file that published it
    hub_listing    what a hub says of a repository, within limits
    hub_refusals   limits on what a hub answers when it does not send what was asked for
    hub            a pinned revision of a hub, one file at a time
    safetensors_file, torch_file
                   the table of contents of one untrusted weight file
    checkpoint     the tensors of a checkpoint, as memory-mapped rows
    config         config.json with errors that name the field and the file
    architectures  one file per family: names, hyperparameters, order of rows
    vocab          tokenizer files to GGUF token fields, chat template
    container      the GGUF header: written with gguf, read back by our own reader
    layout         whether a GGUF's header fits its file
    file_kind      what a file is that is no GGUF
    pairs_seen     the pairs that a file was made with
    imatrix        importance matrices
    imatrix_file   importance matrices, written
    interrupts     signals that wait while llama.cpp calls back
    adapter_config peft's adapter_config.json
    adapter        a LoRA adapter, laid on the tensors of a model
    merge          rows of a matrix with an adapter's update added
    scheme_names   the names of schemes, without llama.cpp
    schemes        scheme to type of every tensor, as llama.cpp itself plans it
    gguf_file      a GGUF from elsewhere: its name, its scheme, whether it can judge
    pack           rows to quantized rows to their place in the GGUF
    verify         reopens the written file: header, tensor table, size, hash
    metadata       the keys that say what a GGUF is and where it comes from
    progress       the progress of a build
    source         where a checkpoint comes from: a folder or a repository on a hub, shard by shard
    held_folder    a temporary folder that is locked by whoever made it
    build_folder   the folder of an unfinished build, and its journal
    build          a source and a scheme -> a verified GGUF, or nothing
    vocabulary_file
                   a GGUF of a model's vocabulary alone
    stand_in       a GGUF of a model's true shape with random weights, to measure a machine
    adapter_gguf   a LoRA adapter as a GGUF of its own
    ready          a GGUF that others published
    relock         models.lock against a hub
"""
