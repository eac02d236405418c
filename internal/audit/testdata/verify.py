#!/usr/bin/env python3
"""Verifies an export of an audit log with nothing but Python: verify.py EXPORT PUBLIC-KEY-FILE

It shares no code with the gateway and follows the documents only: RFC 6962 (hashes), RFC 8032 (Ed25519), and C2SP's
signed-note and tlog-checkpoint.
"""
import base64
import hashlib
import json
import sys

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
ORDER = 2**252 + 27742317777372353535851937790883648493


def point(encoded):
    """Decodes a point of the curve into x, y (RFC 8032, 5.1.3)."""
    n = int.from_bytes(encoded, "little")
    y, sign = n & (2**255 - 1), n >> 255
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if x * x % P != x2:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != x2 or y >= P or (x == 0 and sign):
        raise ValueError("not a point")
    return (P - x if x & 1 != sign else x), y


def add(a, b):
    """Adds two points in x, y."""
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2 % P
    return (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P


def times(n, a):
    result = (0, 1)
    while n:
        if n & 1:
            result = add(result, a)
        a, n = add(a, a), n >> 1
    return result


BASE = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def signed_by(key, text, signature):
    if len(signature) != 64:
        return False
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(r + key + text).digest(), "little") % ORDER
    return s < ORDER and times(s, BASE) == add(point(r), times(h, point(key)))


def main(export, key_file):
    with open(key_file, encoding="utf-8") as f:
        name, key_id, material = f.read().strip().split("+", 2)
    material = base64.b64decode(material)
    assert hashlib.sha256(name.encode() + b"\n" + material).digest()[:4].hex() == key_id and material[0] == 1, "not a key"

    with open(export, "rb") as f:
        lines = f.read().split(b"\n")
    head = json.loads(lines[0])
    size, stack = head["first"], []  # of (number of leaves, hash of the tree over them)
    frontier = [base64.b64decode(h) for h in head.get("frontier", [])]
    for bit in reversed(range(64)):
        if size >> bit & 1:
            stack.append((1 << bit, frontier.pop(0)))

    checked = None
    for line in lines[1:]:
        if line.startswith(b'{"v":'):
            if json.loads(line)["seq"] != size:
                sys.exit(f"record {size} is not in its place")
            stack.append((1, hashlib.sha256(b"\x00" + line).digest()))
            size += 1
            while len(stack) > 1 and stack[-1][0] == stack[-2][0]:
                (n, left), (_, right) = stack[-2:]
                stack[-2:] = [(2 * n, hashlib.sha256(b"\x01" + left + right).digest())]
        elif line.startswith(b'{"checkpoint":'):
            text, signatures = json.loads(line)["checkpoint"].split("\n\n", 1)
            text = (text + "\n").encode()
            good = False
            for s in signatures.splitlines():
                dash, who, value = s.split(" ")
                value = base64.b64decode(value)
                if dash == "\u2014" and who == name and value[:4].hex() == key_id:
                    good = signed_by(material[1:], text, value[4:])
            if not good:
                sys.exit(f"the checkpoint of record {size - 1} is not signed with the key")
            root = stack[-1][1]
            for _, left in reversed(stack[:-1]):
                root = hashlib.sha256(b"\x01" + left + root).digest()
            origin, said, root64 = text.decode().splitlines()[:3]
            if origin != name or int(said) != size or base64.b64decode(root64) != root:
                sys.exit(f"a record before {size} was changed")
            checked = size
    if checked != head["size"]:
        sys.exit(f"the records from {checked} on are missing, or have no checkpoint")
    print(f"{head['first']} {size} {base64.b64encode(root).decode()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
