"""Prints what a publisher sends: subscriber.py ENDPOINT CERTIFICATE PUBLISHER_CERTIFICATE TOPIC"""
import sys

import zmq
import zmq.auth


def main(endpoint, certificate, publisher_certificate, topic):
    subscriber = zmq.Context().socket(zmq.SUB)
    subscriber.curve_publickey, subscriber.curve_secretkey = zmq.auth.load_certificate(certificate)
    subscriber.curve_serverkey, _ = zmq.auth.load_certificate(publisher_certificate)
    subscriber.subscribe(topic)
    subscriber.connect(endpoint)
    while True:
        print(subscriber.recv_string(), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
