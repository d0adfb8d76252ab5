#!/usr/bin/python3
"""ZeroMQ certificates, after certificate.md: an implementation to check others.

    certificate.py make DIR     writes the test vectors, always the same
    certificate.py check DIR    verifies all files of a directory

It needs PyNaCl (Debian: python3-nacl) and argon2-cffi (python3-argon2).
"""
import base64
import hashlib
import os
import re
import sys

import argon2.low_level
import nacl.bindings as nacl

Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
BEGIN, END = "-----BEGIN ZEROMQ CERTIFICATE-----", "-----END ZEROMQ CERTIFICATE-----"
HEADERS = ["Version", "Mechanism", "Content-security", "Content-password",
           "Content-signed-by", "Content-signed-to", "Comment"]


class Refused(Exception):
    pass


def require(what, why):
    if not what:
        raise Refused(why)


# Encodings

def z85(octets):
    text = ""
    for i in range(0, len(octets), 4):
        value = int.from_bytes(octets[i:i + 4], "big")
        text += "".join(Z85[value // 85 ** n % 85] for n in (4, 3, 2, 1, 0))
    return text


def unz85(text, size):
    require(len(text) == size // 4 * 5 and all(c in Z85 for c in text), "Z85")
    octets = b""
    for i in range(0, len(text), 5):
        value = 0
        for c in text[i:i + 5]:
            value = value * 85 + Z85.index(c)
        require(value < 1 << 32, "Z85")
        octets += value.to_bytes(4, "big")
    return octets


def b64(octets):
    return base64.b64encode(octets).decode().rstrip("=")


def unb64(text, size=None):
    octets = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    require(b64(octets) == text and size in (None, len(octets)), "base64")
    return octets


# ZPL: a list of [name, value or None, children]

def parse(text):
    root = []
    stack = [(-1, root)]
    for line in text.split("\n"):
        m = re.match(r"^( *)([A-Za-z0-9$\-_@.&+/]+)(?: = (?:\"([^\"]*)\"|'([^']*)'))?$", line)
        if not m:
            require(not line.strip() or line.lstrip().startswith("#"), "line: " + line)
            continue
        indent = len(m[1])
        value = m[3] if m[3] is not None else m[4]
        while stack[-1][0] >= indent:
            stack.pop()
        node = [m[2], value, []]
        stack[-1][1].append(node)
        stack.append((indent, node[2]))
    return root


def write(nodes, depth=0):
    text = ""
    for name, value, children in nodes:
        text += "    " * depth + name
        if value is not None:
            quote = "'" if '"' in value else '"'
            text += f" = {quote}{value}{quote}"
        text += "\n" + write(children, depth + 1)
    return text


def section(name, *properties):
    return [name, None, [[n, v, []] for n, v in properties if v is not None]]


def find(nodes, name):
    found = [n for n in nodes if n[0] == name]
    require(len(found) < 2, name + " stands twice")
    return found[0] if found else None


def values(nodes, name):
    s = find(nodes, name)
    return {} if s is None else {n: v for n, v, _ in s[2]}


KNOWN = ["certificate", "metadata", "curve", "locked", "validity", "authority", "service"]


def canonical_metadata(nodes):
    s = find(nodes, "metadata") or section("metadata")
    return ["metadata", None, sorted([[n.lower(), v, []] for n, v, _ in s[2]])]


def canonical(nodes):
    out = [section("certificate", ("version", "1"), ("serial", values(nodes, "certificate").get("serial"))),
           canonical_metadata(nodes),
           section("curve", ("public-key", values(nodes, "curve")["public-key"]))]
    validity = values(nodes, "validity")
    if validity:
        out.append(section("validity", *[(n, validity.get(n)) for n in ("not-before", "not-after")]))
    if find(nodes, "authority"):
        out.append(section("authority", ("key", values(nodes, "authority")["key"])))
    return write(out + sorted([n for n in nodes if n[0] not in KNOWN], key=lambda n: n[0]))


# What is signed or locked

def covered(nodes, whole, within=""):
    """Refuses what is in nodes and not in whole, the canonical form and what it leaves out."""
    left = list(whole)
    for name, value, children in nodes:
        name = name.lower() if within == "metadata" else name
        at = next((i for i, n in enumerate(left) if n[:2] == [name, value]), None)
        require(at is not None, "not part of what is signed or locked: " + name)
        covered(children, left.pop(at)[2], name if not within else "x")


def add(whole, nodes, name, *properties):
    """Adds those properties of a section that its canonical form leaves out."""
    s = find(nodes, name)
    if s is not None:
        find(whole, name)[2].extend([n, v, []] for n, v, _ in s[2] if n in properties)


# Certificates

def authority_key(text):
    require(text.startswith("ed25519:"), "authority's key")
    octets = unb64(text[8:], 32)
    # libsodium knows the points of small order, and those that aren't reduced.
    require(nacl.crypto_core_ed25519_is_valid_point(octets), "authority's key")
    return octets


def signature_of(nodes):
    text = values(nodes, "authority").get("signature")
    return unb64(text, 64) if text else bytes(64)


def verify(nodes):
    a = values(nodes, "authority")
    key = authority_key(a["key"])
    signed = b"zeromq-certificate-1\n" + canonical(nodes).encode()
    try:
        nacl.crypto_sign_open(signature_of(nodes) + signed, key)
    except Exception:
        raise Refused("signature")


def ed25519(seed):
    public, secret = nacl.crypto_sign_seed_keypair(seed)
    return "ed25519:" + b64(public), secret


def sign(nodes, seed):
    key, secret = ed25519(seed)
    nodes = [n for n in nodes if n[0] != "authority"]
    nodes.insert(4, section("authority", ("key", key)))
    text = b"zeromq-certificate-1\n" + canonical(nodes).encode()
    signature = nacl.crypto_sign(text, secret)[:64]
    find(nodes, "authority")[2].append(["signature", b64(signature), []])
    return nodes


def authority_text(nodes):
    return write([section("certificate", ("version", "1")), canonical_metadata(nodes),
                  section("authority", ("key", values(nodes, "authority")["key"]))])


def locked_digest(nodes):
    if find(nodes, "curve"):
        return hashlib.sha256(canonical(nodes).encode() + signature_of(nodes)).digest()
    return hashlib.sha256(authority_text(nodes).encode()).digest()


def lock_key(passphrase, scheme, salt):
    m, t, p = map(int, re.fullmatch(r"argon2id m=(\d+) t=(\d+) p=(\d+)", scheme).groups())
    return argon2.low_level.hash_secret_raw(passphrase, salt, t, m, p, 32, argon2.low_level.Type.ID)


def lock(nodes, secret, passphrase, scheme, salt):
    plain = secret + locked_digest(nodes)
    box = nacl.crypto_secretbox(plain, bytes(24), lock_key(passphrase, scheme, salt))
    check = hashlib.sha256(scheme.encode() + b"\n" + salt + box).digest()[:8]
    return section("locked", ("scheme", scheme), ("salt", b64(salt)), ("box", b64(box + check)))


def unlock(nodes, passphrase):
    l = values(nodes, "locked")
    salt, octets = unb64(l["salt"], 16), unb64(l["box"], 88)
    box, check = octets[:80], octets[80:]
    require(hashlib.sha256(l["scheme"].encode() + b"\n" + salt + box).digest()[:8] == check, "damaged")
    try:
        plain = nacl.crypto_secretbox_open(box, bytes(24), lock_key(passphrase, l["scheme"], salt))
    except Exception:
        raise Refused("passphrase")
    require(plain[32:] == locked_digest(nodes), "changed since it was locked")
    return plain[:32]


def canonical_list(nodes):
    r = find(nodes, "revocations")
    times = values(nodes, "revocations")
    out = section("revocations", ("issued", times["issued"]), ("expires", times["expires"]))
    keys = sorted([n for n in r[2] if n[0] == "key"], key=lambda n: unz85(n[1], 32))
    serials = sorted([n for n in r[2] if n[0] == "serial"], key=lambda n: int(n[1]))
    out[2] += keys + serials
    return write([section("certificate", ("version", "1")), out,
                  section("authority", ("key", values(nodes, "authority")["key"]))])


def verify_list(nodes):
    key = authority_key(values(nodes, "authority")["key"])
    whole = parse(canonical_list(nodes))
    add(whole, nodes, "authority", "signature")
    covered(nodes, whole)
    for n in find(nodes, "revocations")[2]:
        require(all(name == "time" or name == "reason" and value for name, value, _ in n[2]), "revocation")
    signed = b"zeromq-revocations-1\n" + canonical_list(nodes).encode()
    try:
        nacl.crypto_sign_open(signature_of(nodes) + signed, key)
    except Exception:
        raise Refused("signature")


def fingerprint(public):
    sum = hashlib.sha256(public).digest()
    groups = [f"{i // 2 + 1} {sum[i] * 256 + sum[i + 1]:05d}" for i in range(0, 32, 2)]
    return "\n".join(["SHA256:" + b64(sum)] + groups) + "\n"


# Armor

def canonical_headers(headers):
    return "".join(f"{n}: {headers[n]}\n" for n in HEADERS if n in headers) + \
        "".join(f"{n.lower()}: {v}\n" for n, v in headers.items() if n.lower().startswith("x-"))


def fold(line):
    out = []
    while len(line) > 72:
        end = 71
        while line[end] == " ":
            end -= 1
        out.append(line[:end] + "\\")
        line = line[end:]
    return "\n".join(out + [line]) + "\n"


def armor(headers, content):
    headers = {"Version": "1.0", **headers}
    sum = hashlib.sha256(canonical_headers(headers).encode() + content).digest()
    ordered = [n for n in HEADERS if n in headers] + [n for n in headers if n.startswith("X-")]
    text = "".join(fold(f"{n}: {headers[n]}") for n in ordered) + f"Checksum: {b64(sum)}\n"
    body = b64(content)
    return f"{BEGIN}\n{text}" + "".join(body[i:i + 64] + "\n" for i in range(0, len(body), 64)) + END + "\n"


def dearmor(text):
    require(text.startswith(BEGIN + "\n") and text.endswith(END + "\n"), "markers")
    lines = text.replace("\\\n", "").split("\n")[1:-2]
    headers = {}
    while lines and ": " in lines[0]:
        name, value = lines.pop(0).split(": ", 1)
        name = next((n for n in HEADERS + ["Checksum"] if n.lower() == name.lower()), name)
        require(name in HEADERS + ["Checksum"] or name.lower().startswith("x-"), "header " + name)
        headers[name] = value
    content = unb64("".join(lines))
    sum = hashlib.sha256(canonical_headers(headers).encode() + content).digest()
    require(headers.get("Checksum") == b64(sum), "damaged")
    return headers, content


def seal(headers, content, to, sender=None, nonce=None):
    headers = {"Version": "1.0", **headers, "Content-security": "sealed"}
    if sender:
        headers["Content-signed-by"] = b64(nacl.crypto_scalarmult_base(sender))
    headers["Content-signed-to"] = b64(to)
    plain = hashlib.sha256(canonical_headers(headers).encode()).digest() + content
    if sender:
        return armor(headers, nonce + nacl.crypto_box(plain, nonce, to, sender))
    return armor(headers, nacl.crypto_box_seal(plain, to))


def unseal(text, secret):
    headers, box = dearmor(text)
    public = nacl.crypto_scalarmult_base(secret)
    require(headers["Content-signed-to"] == b64(public), "recipient")
    try:
        if "Content-signed-by" in headers:
            sender = unb64(headers["Content-signed-by"], 32)
            plain = nacl.crypto_box_open(box[24:], box[:24], sender, secret)
        else:
            plain = nacl.crypto_box_seal_open(box, public, secret)
    except Exception:
        raise Refused("seal")
    require(plain[:32] == hashlib.sha256(canonical_headers(headers).encode()).digest(), "headers")
    return plain[32:].decode()


# The two commands

def octets(name, size=32):
    """Octets that anybody can make again."""
    return hashlib.sha256(b"certificate test vector: " + name.encode()).digest()[:size]


def make(directory):
    def save(name, text, comments=()):
        with open(os.path.join(directory, name), "w", encoding="utf-8", newline="") as f:
            f.write("".join(f"# {c}\n" for c in comments) + text)
        return text

    public_comments = ["ZeroMQ CURVE Public Certificate", "Give this file to anyone who needs this key."]
    secret_comments = ["ZeroMQ CURVE **Secret** Certificate", "Keep this file private."]
    secrets = {n: octets(n) for n in ("alice", "bob")}
    keys = {n: nacl.crypto_scalarmult_base(s) for n, s in secrets.items()}

    def certificate(name, *metadata, serial=None):
        return [section("certificate", ("version", "1"), ("serial", serial)),
                section("metadata", ("name", name), *metadata),
                section("curve", ("public-key", z85(keys[name])))]

    def with_secret(nodes, name):
        nodes = parse(write(nodes))
        find(nodes, "curve")[2].append(["secret-key", z85(secrets[name]), []])
        return nodes

    def with_lock(nodes, name, passphrase, scheme):
        nodes = list(nodes)
        nodes.insert(3, lock(nodes, secrets[name], passphrase, scheme, octets(scheme, 16)))
        return nodes

    def comment_text(comments, nodes):
        return "".join(f"# {c}\n" for c in comments) + write(nodes)

    alice = certificate("alice", ("email", "alice@example.org"), ("Note", 'say "hi" # = it'), ("city", "Zürich"))
    bob = certificate("bob")
    save("alice.key", write(alice), public_comments)
    save("alice.key_secret", write(with_secret(alice, "alice")), secret_comments)
    save("alice.bundle", write(with_secret(alice, "alice") +
                               [section("service", ("server-key", z85(keys["bob"])), ("endpoint", "tcp://service.example.org:5555"),
                                        ("endpoint", "tcp://[2001:db8::1]:5555"))]), secret_comments)
    save("bob.key", write(bob), public_comments)
    save("bob.key_secret", write(with_secret(bob, "bob")), secret_comments)
    save("alice.fingerprint", fingerprint(keys["alice"]))

    seed = octets("acme")
    authority = [section("certificate", ("version", "1")), section("metadata", ("name", "acme")),
                 section("authority", ("key", ed25519(seed)[0]))]
    save("acme.authority", write(authority),
         ["ZeroMQ Authority", "Give this file to anyone who should trust the certificates it signs."])
    secret_authority = parse(write(authority))
    find(secret_authority, "authority")[2].append(["seed", b64(seed), []])
    authority_comments = ["ZeroMQ Authority **Secret**",
                          "Keep this file private, and off the machines that run services."]
    save("acme.authority_secret", write(secret_authority), authority_comments)
    scheme = "argon2id m=32 t=2 p=1"
    save("acme-locked.authority_secret",
         write(authority + [lock(authority, seed, b"staple", scheme, octets(scheme, 16))]), authority_comments)

    unsigned = certificate("alice", ("Zone", "north"), ("group", "traders"), serial="18446744073709551615")
    unsigned.append(section("validity", ("not-before", "2026-01-01T00:00:00Z"), ("not-after", "2999-12-31T23:59:59Z")))
    unsigned.append(["purpose", "x", [["b", None, [["deep", "it's", []]]], ["a", "", []]]])
    signed = sign(unsigned, seed)
    save("signed.key", write(signed), public_comments)
    save("signed.canonical", canonical(signed))
    save("locked.key_secret", write(with_lock(signed, "alice", b"correct horse battery staple", "argon2id m=65536 t=3 p=4")), secret_comments)
    save("locked-small.key_secret", write(with_lock(bob, "bob", "pässword".encode(), "argon2id m=32 t=2 p=4")), secret_comments)
    save("passphrases", "locked.key_secret correct horse battery staple\n"
         "locked-small.key_secret pässword\nacme-locked.authority_secret staple\n")

    revoked = [section("certificate", ("version", "1")),
               ["revocations", None, [["issued", "2026-01-01T00:00:00Z", []], ["expires", "2999-01-01T00:00:00Z", []],
                ["serial", "1000", [["time", "2025-12-31T00:00:00Z", []]]],
                ["key", z85(keys["bob"]), [["time", "2025-12-30T12:00:00Z", []], ["reason", "it's gone", []]]],
                ["serial", "7", [["time", "2025-12-31T00:00:00Z", []]]]]],
               section("authority", ("key", ed25519(seed)[0]))]
    text = b"zeromq-revocations-1\n" + canonical_list(revoked).encode()
    revoked[2][2].append(["signature", b64(nacl.crypto_sign(text, ed25519(seed)[1])[:64]), []])
    save("acme.revoked", write(revoked), ["ZeroMQ Revocation List", "Give this file to everyone who trusts the authority, before it expires."])

    public_text = comment_text(public_comments, alice).encode()
    long_comment = "a comment that is so long that it doesn't fit on one line of seventy-two characters"
    armored = save("alice.armor", armor({"Mechanism": "CURVE", "Content-security": "clear",
                                         "Comment": long_comment, "X-Ticket": "42"}, public_text))
    locked_text = open(os.path.join(directory, "locked-small.key_secret"), encoding="utf-8").read()
    locked_armor = save("locked.armor", armor({"Mechanism": "CURVE", "Content-security": "password",
                                               "Content-password": "argon2id m=32 t=2 p=4"}, locked_text.encode()))
    plain = ("# ZeroMQ PLAIN **Secret** Credentials\n# Keep this file private.\n" +
             write([section("metadata", ("name", "guest")), section("plain", ("username", "guest"), ("password", "it's # me"))]))
    plain_armor = save("guest.armor", armor({"Mechanism": "PLAIN", "Content-security": "clear"}, plain.encode()))
    secret_text = comment_text(secret_comments, with_secret(alice, "alice")).encode()
    save("sealed.armor", seal({"Mechanism": "CURVE", "Comment": "from alice to bob"}, secret_text,
                              keys["bob"], secrets["alice"], octets("nonce", 24)))
    if not os.path.exists(os.path.join(directory, "anonymous.armor")):  # a box that is never the same
        save("anonymous.armor", seal({"Mechanism": "CURVE"}, public_text, keys["bob"]))
    quoted = "".join("> " + l + "\n" for l in armored.splitlines())
    indented = "".join("    " + l + "\r\n" for l in plain_armor.splitlines())
    save("mail.txt", f"Hello,\n\nhere it is:\n{quoted}\nand\n\n{indented}and\n{locked_armor}-- \nAlice\n")

    frames = f"name=alice;email=alice@example.org\n{z85(keys['alice'])}\n{z85(secrets['alice'])}\n"
    save("draft-clear.armor", f"{BEGIN}\nVersion: 0.1\nMechanism: CURVE\nContent-security: clear\n{frames}{END}\n")
    box = octets("draft", 24)
    box += nacl.crypto_box(frames.encode(), box, keys["bob"], secrets["alice"])
    padded = box + bytes(-len(box) % 4)
    digest = hashlib.md5(box).hexdigest()
    pairs = ":".join(digest[i:i + 2] for i in range(0, 32, 2))
    body = z85(padded)
    lines = "\\\n".join(body[i:i + 71] for i in range(0, len(body), 71))
    save("draft-signed.armor", f"{BEGIN}\nVersion: 0.1\nMechanism: CURVE\nContent-signed-by: {z85(keys['alice'])}\n"
         f"Content-signed-to: {z85(keys['bob'])}\n{len(box)} {len(padded)} {pairs}\n{lines}\n{END}\n")


def check(directory):
    def load(name):
        with open(os.path.join(directory, name), encoding="utf-8", newline="") as f:
            return f.read()

    names = sorted(os.listdir(directory))
    passphrases = dict(l.split(" ", 1) for l in load("passphrases").splitlines()) if "passphrases" in names else {}
    recipients = [unz85(values(parse(load(n)), "curve")["secret-key"], 32) for n in names
                  if n.endswith(".key_secret") and "secret-key" in values(parse(load(n)), "curve")]
    for name in names:
        try:
            if name.endswith((".key", ".key_secret", ".bundle")):
                check_certificate(parse(load(name)), passphrases.get(name))
            elif ".authority" in name:
                check_authority(parse(load(name)), passphrases.get(name))
            elif name.endswith(".revoked"):
                verify_list(parse(load(name)))
            elif name.endswith(".armor") and not name.startswith("draft-"):
                check_armor(load(name), recipients)
            else:
                continue
        except (Refused, ValueError, KeyError, AttributeError, TypeError, UnicodeError) as e:
            sys.exit(f"{name}: refused: {e!r}")
        print(f"{name}: good")


def check_certificate(nodes, passphrase):
    for n in nodes:
        require(n[0] not in ("plain", "revocations", "revoked"), "section " + n[0])
        require(n[0] not in ("certificate", "locked", "validity", "authority", "service") or n[2], "empty section")
    require(values(nodes, "certificate").get("version", "1") == "1", "version")
    allowed = {"certificate": ["version", "serial"], "validity": ["not-before", "not-after"],
               "authority": ["key", "signature"], "locked": ["scheme", "salt", "box"],
               "service": ["server-key", "endpoint"]}
    for name, properties in allowed.items():
        s = find(nodes, name)
        require(s is None or all(n in properties and not c for n, _, c in s[2]), "unknown property")
    c = values(nodes, "curve")
    public = unz85(c["public-key"], 32)
    secret = None
    if "secret-key" in c:
        secret = unz85(c["secret-key"], 32)
    if find(nodes, "locked"):
        secret = unlock(nodes, (passphrase or "").encode())
    require(secret is None or nacl.crypto_scalarmult_base(secret) == public, "key pair")
    service = find(nodes, "service")
    if service:
        require("secret-key" in c and not find(nodes, "locked"), "service without an unlocked secret key")
        names = [n for n, _, _ in service[2]]
        require(names.count("server-key") == 1 and "endpoint" in names and service[1] is None, "service")
        unz85(values(nodes, "service")["server-key"], 32)
    if find(nodes, "authority") or find(nodes, "locked"):
        whole = parse(canonical(nodes)) + [n for n in nodes if n[0] == "locked"]
        add(whole, nodes, "authority", "signature")
        add(whole, nodes, "curve", "secret-key")
        whole += [n for n in nodes if n[0] == "service"]
        covered(nodes, whole)
    if find(nodes, "authority"):
        verify(nodes)


def check_authority(nodes, passphrase):
    require(list(values(nodes, "certificate")) in ([], ["version"]), "unknown property")
    a = values(nodes, "authority")
    authority_key(a["key"])
    seed = unb64(a["seed"], 32) if "seed" in a else None
    if find(nodes, "locked"):
        seed = unlock(nodes, (passphrase or "").encode())
        covered(nodes, parse(authority_text(nodes)) + [find(nodes, "locked")])
    require(seed is None or ed25519(seed)[0] == a["key"], "key pair")


def check_armor(text, recipients):
    headers, content = dearmor(text)
    if headers["Content-security"] == "sealed":
        for secret in recipients:
            if headers["Content-signed-to"] == b64(nacl.crypto_scalarmult_base(secret)):
                content = unseal(text, secret).encode()
                break
        else:
            raise Refused("recipient")
    nodes = parse(content.decode())
    require(find(nodes, {"CURVE": "curve", "PLAIN": "plain"}[headers["Mechanism"]]), "mechanism")
    require(headers.get("Content-password") == values(nodes, "locked").get("scheme") or
            headers["Content-security"] == "sealed", "scheme")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("make", "check"):
        sys.exit(__doc__)
    {"make": make, "check": check}[sys.argv[1]](sys.argv[2])
