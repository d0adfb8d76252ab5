/*  A client of server.c: client ENDPOINT CERTIFICATE SERVER_CERTIFICATE  */

#include <stdint.h>
#include <zmq.h>
#include "certificate.h"

/*  Reads an event from the monitor and exits if the handshake failed.  */
static void
check_event (void *monitor)
{
    uint8_t event [6];
    char endpoint [256];
    uint16_t number;
    uint32_t value;
    if (zmq_recv (monitor, event, sizeof event, 0) != sizeof event)
        return;
    zmq_recv (monitor, endpoint, sizeof endpoint, 0);
    memcpy (&number, event, sizeof number);
    memcpy (&value, event + sizeof number, sizeof value);
    switch (number) {
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        fprintf (stderr, "refused by the server (HANDSHAKE_FAILED_AUTH %u)\n", value);
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        fprintf (stderr, "failed: the server does not use the same mechanism (HANDSHAKE_FAILED_PROTOCOL %u)\n", value);
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        fprintf (stderr, "failed: wrong server key, or no answer in time (HANDSHAKE_FAILED_NO_DETAIL %u)\n", value);
        break;
    default:
        return;
    }
    exit (1);
}

int
main (int argc, char *argv [])
{
    if (argc != 4) {
        fprintf (stderr, "usage: client ENDPOINT CERTIFICATE SERVER_CERTIFICATE\n");
        return 2;
    }
    if (!zmq_has ("curve")) {
        fprintf (stderr, "this libzmq is built without CURVE\n");
        return 1;
    }
    char public_key [41], secret_key [41], server_key [41];
    read_key (argv [2], "public-key", public_key);
    read_key (argv [2], "secret-key", secret_key);
    read_key (argv [3], "public-key", server_key);

    void *context = zmq_ctx_new ();
    void *client = zmq_socket (context, ZMQ_REQ);
    zmq_setsockopt (client, ZMQ_CURVE_PUBLICKEY, public_key, sizeof public_key);
    zmq_setsockopt (client, ZMQ_CURVE_SECRETKEY, secret_key, sizeof secret_key);
    zmq_setsockopt (client, ZMQ_CURVE_SERVERKEY, server_key, sizeof server_key);

    /*  Only the monitor of a socket reports that the server refused the client.  */
    zmq_socket_monitor (client, "inproc://monitor",
        ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
        ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL);
    void *monitor = zmq_socket (context, ZMQ_PAIR);
    zmq_connect (monitor, "inproc://monitor");

    if (zmq_connect (client, argv [1])) {
        fprintf (stderr, "%s: %s\n", argv [1], zmq_strerror (zmq_errno ()));
        return 1;
    }
    zmq_send (client, "good morning", 12, 0);

    zmq_pollitem_t items [] = {
        { client, 0, ZMQ_POLLIN, 0 },
        { monitor, 0, ZMQ_POLLIN, 0 },
    };
    while (zmq_poll (items, 2, 60000) > 0) {
        if (items [1].revents)
            check_event (monitor);
        if (items [0].revents) {
            char reply [300];
            int size = zmq_recv (client, reply, sizeof reply, 0);
            if (size == -1)
                continue;
            if (size > (int) sizeof reply)
                size = sizeof reply;    /*  truncated  */
            printf ("reply: %.*s\n", size, reply);
            return 0;
        }
    }
    fprintf (stderr, "no reply within a minute\n");
    return 1;
}
