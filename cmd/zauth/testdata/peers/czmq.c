/*  Ask czmq's zauth about a known CURVE client: czmq DIR SECONDS IN_FLIGHT FILE */
#include <czmq.h>

static void
ask (zsock_t *client, const byte *key)
{
    zmsg_t *msg = zmsg_new ();
    zmsg_addstr (msg, "");
    zmsg_addstr (msg, "1.0");
    zmsg_addstr (msg, "1");
    zmsg_addstr (msg, "payments");
    zmsg_addstr (msg, "192.0.2.1");
    zmsg_addstr (msg, "");
    zmsg_addstr (msg, "CURVE");
    zmsg_addmem (msg, key, 32);
    zmsg_send (&msg, client);
}

static void
answer (zsock_t *client)
{
    zmsg_t *msg = zmsg_recv (client);
    zframe_t *status = zmsg_first (msg);
    for (int i = 0; i < 3; i++)
        status = zmsg_next (msg);
    if (!zframe_streq (status, "200")) {
        fprintf (stderr, "refused\n");
        exit (1);
    }
    zmsg_destroy (&msg);
}

int
main (int argc, char **argv)
{
    if (argc != 5)
        return 2;
    double seconds = atof (argv [2]);
    int in_flight = atoi (argv [3]);
    zcert_t *cert = zcert_load (argv [4]);
    zactor_t *auth = zactor_new (zauth, NULL);
    zstr_sendx (auth, "CURVE", argv [1], NULL);
    zsock_wait (auth);
    zsock_t *client = zsock_new_dealer (">inproc://zeromq.zap.01");
    ask (client, zcert_public_key (cert));
    answer (client);
    for (int i = 0; i < in_flight; i++)
        ask (client, zcert_public_key (cert));
    int64_t start = zclock_usecs (), end = start + (int64_t) (seconds * 1e6);
    long count = 0;
    while (zclock_usecs () < end) {
        answer (client);
        ask (client, zcert_public_key (cert));
        count++;
    }
    printf ("%f\n", count / ((zclock_usecs () - start) / 1e6));
    fflush (stdout);
    _exit (0);
}
