/*  A service that asks zauth about each client: server ENDPOINT CERTIFICATE ZAUTH  */

#include <pthread.h>
#include <zmq.h>
#include "certificate.h"

#ifndef ZMQ_ZAP_ENFORCE_DOMAIN          /*  zmq.h lists it as a draft  */
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

/*  Forwards the ZAP requests of all sockets in this context to zauth.  */
struct proxy { void *inside, *outside; };

static void *
run_proxy (void *args)
{
    struct proxy *proxy = args;
    zmq_proxy (proxy->inside, proxy->outside, NULL);
    return NULL;
}

static void
ask_zauth (void *context, const char *zauth)
{
    static struct proxy proxy;
    pthread_t thread;
    proxy.inside = zmq_socket (context, ZMQ_ROUTER);
    proxy.outside = zmq_socket (context, ZMQ_DEALER);
    if (zmq_bind (proxy.inside, "inproc://zeromq.zap.01")
    ||  zmq_connect (proxy.outside, zauth)
    ||  pthread_create (&thread, NULL, run_proxy, &proxy)) {
        fprintf (stderr, "%s: %s\n", zauth, zmq_strerror (zmq_errno ()));
        exit (1);
    }
}

int
main (int argc, char *argv [])
{
    if (argc != 4) {
        fprintf (stderr, "usage: server ENDPOINT CERTIFICATE ZAUTH\n");
        return 2;
    }
    if (!zmq_has ("curve")) {           /*  it would not encrypt  */
        fprintf (stderr, "this libzmq is built without CURVE\n");
        return 1;
    }
    void *context = zmq_ctx_new ();
    ask_zauth (context, argv [3]);      /*  before the first server socket binds  */

    char secret_key [41], endpoint [256];
    size_t size = sizeof endpoint;
    int on = 1;
    read_key (argv [2], "secret-key", secret_key);
    void *server = zmq_socket (context, ZMQ_REP);
    if (zmq_setsockopt (server, ZMQ_ZAP_ENFORCE_DOMAIN, &on, sizeof on)
    ||  zmq_setsockopt (server, ZMQ_ZAP_DOMAIN, "hello", 5)
    ||  zmq_setsockopt (server, ZMQ_CURVE_SERVER, &on, sizeof on)
    ||  zmq_setsockopt (server, ZMQ_CURVE_SECRETKEY, secret_key, sizeof secret_key)
    ||  zmq_bind (server, argv [1])) {
        fprintf (stderr, "%s: %s\n", argv [1], zmq_strerror (zmq_errno ()));
        return 1;
    }
    zmq_getsockopt (server, ZMQ_LAST_ENDPOINT, endpoint, &size);
    printf ("serving on %s\n", endpoint);
    fflush (stdout);

    while (1) {
        zmq_msg_t request;
        char reply [300];
        zmq_msg_init (&request);
        if (zmq_msg_recv (&request, server, 0) == -1)
            continue;
        snprintf (reply, sizeof reply, "hello %s", zmq_msg_gets (&request, "User-Id"));
        while (zmq_msg_more (&request) && zmq_msg_recv (&request, server, 0) != -1)
            ;                           /*  ignore further parts  */
        zmq_msg_close (&request);
        zmq_send (server, reply, strlen (reply), 0);
    }
}
