"""Open peerings with a FileMQ server, byte for byte as RFC 19 says: filemq_client.py ENDPOINT"""

import sys

import zmq

OHAI = [b"\xAA\xA3\x01" b"\x06FILEMQ" b"\x01"]
ORLY = [b"\xAA\xA3\x02" b"\x02" b"\x0DSCRAM-SHA-256" b"\x05PLAIN", b""]
OHAI_OK = [b"\xAA\xA3\x04"]
ICANHAZ = [b"\xAA\xA3\x05" b"\x05/logs" b"\x00" b"\x00"]
ICANHAZ_OK = [b"\xAA\xA3\x06"]
NOM = [b"\xAA\xA3\x07" b"\x00\x00\x00\x00\x00\x01\x00\x00"]
HUGZ = [b"\xAA\xA3\x09"]
HUGZ_OK = [b"\xAA\xA3\x0A"]
KTHXBAI = [b"\xAA\xA3\x0B"]
SRSLY = [b"\xAA\xA3\x80" b"\x0B400 refused"]
RTFM = b"\xAA\xA3\x81"


def yarly(login, password, mechanism=b"\x05PLAIN"):
    return [b"\xAA\xA3\x03" + mechanism, b"\x00" + login + b"\x00" + password]


def main(endpoint):
    context = zmq.Context()

    def peering(*steps):
        """Send each command, and check the reply if there is one."""
        dealer = context.socket(zmq.DEALER)
        dealer.linger, dealer.rcvtimeo = 0, 60_000
        dealer.connect(endpoint)
        for command, expected in steps:
            dealer.send_multipart(command)
            if expected is None:
                continue
            reply = dealer.recv_multipart()
            if expected == RTFM:
                assert len(reply) == 1 and reply[0][:3] == RTFM and reply[0][3] == len(reply[0]) - 4, reply
            else:
                assert reply == expected, (command, reply)
        dealer.close()

    guest = [(OHAI, ORLY), (yarly(b"guest", b"guest"), OHAI_OK)]
    peering(*guest, (ICANHAZ, ICANHAZ_OK), (NOM, None), (HUGZ, HUGZ_OK), (OHAI, ORLY), (KTHXBAI, RTFM))
    peering((OHAI, ORLY), (yarly(b"guest", b"wrong"), SRSLY), *guest)
    peering((OHAI, ORLY), (yarly(b"nobody", b"guest"), SRSLY), (HUGZ, RTFM), *guest)
    # Messages without the signature are dropped in silence, at any time.
    garbage = [([b""], None), ([b"OHAI"], None), ([b"\xAA\xA0\x01"], None), ([b"", b"hello"], None)]
    peering(*garbage, guest[0], *garbage, guest[1], *garbage, (HUGZ, HUGZ_OK))
    # Commands that are malformed or come too early.
    peering((yarly(b"guest", b"guest"), RTFM), *guest)
    peering((ICANHAZ, RTFM), (NOM, RTFM), *guest)
    peering(([OHAI[0][:-1] + b"\x02"], RTFM), *guest)
    peering(([OHAI[0] + b"\x00"], RTFM), *guest)
    peering((OHAI, ORLY), (yarly(b"guest", b"guest", b"\x09ANONYMOUS"), RTFM), *guest)
    peering((OHAI, ORLY), (yarly(b"guest", b"guest\x00"), RTFM), *guest)
    peering((OHAI, ORLY), (yarly(b"guest", b"guest")[:1], RTFM), *guest)
    print("all peerings went as RFC 19 says")


main(*sys.argv[1:])
