/*  A client of server.c: client ENDPOINT CERTIFICATE SERVER_CERTIFICATE  */

#include <stdint.h>
#include <zmq.h>
#include "certificate.h"

/*  Reads an event from the monitor and ends the program if the server has
    refused us, or isn't the one we know.  */
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
    const char *name =
        number == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ? "HANDSHAKE_FAILED_AUTH" :
        number == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL ? "HANDSHAKE_FAILED_PROTOCOL" :
        number == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL ? "HANDSHAKE_FAILED_NO_DETAIL" : NULL;
    if (name) {
        fprintf (stderr, "refused: %s %u\n", name, value);
        exit (1);
    }
}

int
main (int argc, char *argv [])
{
    if (argc != 4) {
        fprintf (stderr, "usage: client ENDPOINT CERTIFICATE SERVER_CERTIFICATE\n");
        return 2;
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

    /*  libzmq says nothing of a refusal, unless one looks at the monitor.  */
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
    while (zmq_poll (items, 2, 10000) > 0) {
        if (items [1].revents)
            check_event (monitor);
        if (items [0].revents) {
            char reply [300];
            int size = zmq_recv (client, reply, sizeof reply - 1, 0);
            reply [size < 0 ? 0 : size] = 0;
            printf ("reply: %s\n", reply);
            return 0;
        }
    }
    fprintf (stderr, "no answer in 10 seconds\n");
    return 1;
}
