"""How a fuzzer changes what stands in a frame: archives, headers with lengths and counts, answers of servers.

A length or a hash mostly fits after a change, else no reader would come to what was changed. Every change is drawn from
one `Random`. Knows: shapes of files. Does not know: what reads them.
"""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
import zipfile
from random import Random

from fuzz_mutators import mutated_bytes, mutated_json


def mutated_safetensors(data: bytes, rng: Random) -> bytes:
    """The JSON header changed, and its length with it."""
    length = int.from_bytes(data[:8], "little")
    header = mutated_json(data[8 : 8 + length], rng)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def mutated_pack(data: bytes, rng: Random) -> bytes:
    """The header or the body of a pack of a run changed, and its lengths and hash with it."""
    if len(data) < 50:
        return mutated_bytes(data, rng)
    length = int.from_bytes(data[10:14], "big")
    header, body = data[50 : 50 + length], data[50 + length :]
    header, body = (mutated_json(header, rng), body) if rng.random() < 0.7 else (header, mutated_bytes(body, rng))
    digest = hashlib.sha256(header + body).digest()
    return data[:10] + struct.pack(">II", len(header), len(body)) + digest + header + body


def mutated_zip(data: bytes, rng: Random) -> bytes:
    """A member of an archive changed, renamed, doubled or left out, and the archive written again around it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:  # it is changed already, and no archive any more
        return mutated_bytes(data, rng)
    if not members or rng.random() < 0.2:
        return mutated_bytes(data, rng)
    at = rng.randrange(len(members))
    name, content = members[at]
    match rng.randrange(10):
        case 0:
            del members[at]
        case 1:
            members.append((name, members[rng.randrange(len(members))][1]))
        case 2:
            members[at] = (rng.choice(("", "../x", "x" * 300, name + "x", "data.pkl", "\0")) or "_", content)
        case _:
            members[at] = (name, mutated_bytes(content, rng))
    out = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if rng.random() < 0.1 else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w", kind) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that occur twice
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = kind
            archive.writestr(info, content)
    return out.getvalue()


NUMBERS = (
    0, 1, 2, 7, 8, 9, 12, 13, 255, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**62, 2**63, 2**64 - 1,
)  # fmt: skip
GGUF_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def mutated_gguf(data: bytes, rng: Random) -> bytes:
    """A number of the header changed: a count, a length, a type, a dimension, an offset, a value; or a text."""
    places = _numbers_of_gguf(data)
    if not places or rng.random() < 0.15:
        return mutated_bytes(data, rng)
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at, width, text = rng.choice(places)
        if text and rng.random() < 0.3:  # a text with its length
            new = mutated_bytes(data[at + 8 : at + 8 + text], rng)
            return data[:at] + struct.pack("<Q", len(new)) + new + data[at + 8 + text :]
        old = int.from_bytes(changed[at : at + width], "little")
        new_number = rng.choice((*NUMBERS, old + 1, old - 1, old * 2, old // 2, old ^ (1 << rng.randrange(8 * width))))
        changed[at : at + width] = (new_number % (1 << 8 * width)).to_bytes(width, "little")
    return bytes(changed)


def _numbers_of_gguf(data: bytes) -> list[tuple[int, int, int]]:
    """Where the numbers of a header are, as far as it is whole: place, bytes, and of a text's length its bytes."""
    places, at = [(4, 4, 0), (8, 8, 0), (16, 8, 0)], 24

    def number(width: int, text: bool = False) -> int:
        nonlocal at
        if at + width > len(data):
            raise EOFError
        value = int.from_bytes(data[at : at + width], "little")
        places.append((at, width, value if text and value < len(data) else 0))
        at += width + (value if text else 0)
        return value

    def value(kind: int) -> None:
        if kind == 8:
            number(8, text=True)
        elif kind == 9:
            inner, count = number(4), number(8)
            for _ in range(min(count, 4)):
                value(inner)
        else:
            number(GGUF_WIDTHS[kind])

    try:
        tensors, keys = struct.unpack("<QQ", data[8:24])
        for _ in range(keys):
            number(8, text=True)
            value(number(4))
        for _ in range(tensors):
            number(8, text=True)
            for _ in range(number(4)):
                number(8)
            number(4)
            number(8)
    except (EOFError, KeyError, struct.error, RecursionError):
        pass
    return places if len(data) >= 24 else []


def mutated_protobuf(data: bytes, rng: Random) -> bytes:
    """A field of a protocol buffer changed, left out, doubled or moved, in its lists too."""
    try:
        fields = _protobuf_fields(data)
    except (IndexError, ValueError):
        return mutated_bytes(data, rng)
    if not fields or rng.random() < 0.15:
        return mutated_bytes(data, rng)
    at = rng.randrange(len(fields))
    key, content = fields[at]
    match rng.randrange(8):
        case 0:
            del fields[at]
        case 1:
            fields.extend([fields[at]] * rng.choice((1, 2, 50)))
        case 2:
            other = rng.randrange(len(fields))
            fields[at], fields[other] = fields[other], fields[at]
        case 3:
            fields[at] = (_varint(rng.choice((0, 1, 8, 10, 16, 18, 21, 25, 2**31, 2**64))), content)
        case 4 if key[0] & 7 == 0:
            fields[at] = (key, _varint(rng.choice(NUMBERS)))
        case _ if key[0] & 7 == 2:
            length, inside = _prefixed(content)
            deeper = mutated_protobuf(inside, rng) if rng.random() < 0.7 else mutated_bytes(inside, rng)
            honest = rng.random() < 0.9
            fields[at] = (key, _varint(len(deeper) if honest else rng.choice(NUMBERS)) + deeper)
        case _:
            fields[at] = (key, mutated_bytes(content, rng))
    return b"".join(key + content for key, content in fields)


def _protobuf_fields(data: bytes) -> list[tuple[bytes, bytes]]:
    """The fields as their keys and contents. Raises IndexError, ValueError for what is none."""
    fields, at = [], 0
    while at < len(data):
        end = _end_of_varint(data, at)
        kind, begin = data[at] & 7, end
        if kind == 0:
            end = _end_of_varint(data, end)
        elif kind == 2:
            length, _ = _prefixed(data[end:])
            end = _end_of_varint(data, end) + length
        elif kind in (1, 5):
            end += 8 if kind == 1 else 4
        else:
            raise ValueError
        if end > len(data):
            raise ValueError
        fields.append((data[at:begin], data[begin:end]))
        at = end
    return fields


def _prefixed(data: bytes) -> tuple[int, bytes]:
    """A length and what follows it."""
    end = _end_of_varint(data, 0)
    length = sum((byte & 127) << 7 * place for place, byte in enumerate(data[:end]))
    return length, data[end : end + length]


def _end_of_varint(data: bytes, at: int) -> int:
    while data[at] & 128:
        at += 1
    return at + 1


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def mutated_parquet(data: bytes, rng: Random) -> bytes:
    """The footer changed, with its length; or what lies before it."""
    length = int.from_bytes(data[-8:-4], "little")
    if data[-4:] != b"PAR1" or not 0 < length < len(data) - 8:
        return mutated_bytes(data, rng)
    body, footer = data[: -8 - length], data[-8 - length : -8]
    if rng.random() < 0.7:
        footer = mutated_bytes(footer, rng)
    else:
        body = mutated_bytes(body, rng)
    return body + footer + len(footer).to_bytes(4, "little") + b"PAR1"


HEADERS = (
    b"Content-Length: 0", b"Content-Length: -1", b"Content-Length: 99999999999999999999", b"Content-Length: x",
    b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", b"Content-Encoding: deflate, gzip, gzip",
    b"Content-Encoding: br", b"Content-Type: text/html", b"Content-Type: application/json; charset=utf-7",
    b"Content-Type: \xff\xfe", b"Location: /x", b"Location: http://[", b"Location: http://127.0.0.1:99999/",
    b"Location: foo:bar", b"Location: \xff", b"Location: //", b"Retry-After: 99999999999", b"Retry-After: Mon, 99",
    b"Retry-After: Mon, 01 Jan 0001 00:00:00 GMT", b"Retry-After: -1", b"Set-Cookie: a=b", b"X: " + b"x" * 70_000,
    b"X-Error-Code: GatedRepo", b"X-Error-Code: EntryNotFound", b"X-Error-Message: \x1b[31m", b"ETag: \"../../x\"",
    b"X-Repo-Commit: ../x", b"X-Linked-Size: x", b"X-Linked-Etag: ", b"Content-Range: bytes 9-1/*", b" folded",
    b"Content-Type: application/json", b"X-Xet-Hash: x", b"Link: <http://127.0.0.1/>; rel=xet-auth", b":", b"",
)  # fmt: skip
STATUSES = (
    b"200", b"201", b"204", b"206", b"301", b"302", b"304", b"307", b"400", b"401", b"403", b"404", b"416", b"429",
    b"500", b"503", b"100", b"999", b"0", b"20x", b"",
)  # fmt: skip


def mutated_http(data: bytes, rng: Random) -> bytes:
    """The status, a header or the body of an answer changed; mostly with a length that fits."""
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator or rng.random() < 0.15:
        return mutated_bytes(data, rng)
    status, *headers = head.split(b"\r\n")
    for _ in range(rng.choice((1, 1, 2, 3))):
        match rng.randrange(8):
            case 0:
                status = b"HTTP/1.1 " + rng.choice(STATUSES) + b" x"
            case 1 | 2:
                headers.insert(rng.randrange(len(headers) + 1), rng.choice(HEADERS))
            case 3 if headers:
                del headers[rng.randrange(len(headers))]
            case 4 if headers:
                at = rng.randrange(len(headers))
                headers[at] = mutated_bytes(headers[at], rng)
            case 5:
                body = mutated_bytes(body, rng)
            case _:
                body = mutated_json(body, rng)
    if rng.random() < 0.7:
        headers = [line for line in headers if not line.lower().startswith(b"content-length")]
        headers.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join((status, *headers)) + b"\r\n\r\n" + body
