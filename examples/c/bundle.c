/*  A client that gets all it needs from a bundle of "zcert bundle": bundle [BUNDLE]
    cc bundle.c -lzmq -o bundle  */

#include <stdio.h>
#include <string.h>
#include <zmq.h>

#define BUNDLE "alice.bundle"

/*  Sets the keys of a client, and connects it to the endpoints of the bundle.
    Returns how many endpoints there are, or -1.  */
static int
connect_by_bundle (void *client, const char *path)
{
    static const struct { const char *section, *name; int option; } keys [] = {
        { "curve", "public-key", ZMQ_CURVE_PUBLICKEY },
        { "curve", "secret-key", ZMQ_CURVE_SECRETKEY },
        { "service", "server-key", ZMQ_CURVE_SERVERKEY },
    };
    char line [1026], section [64] = "", name [64], value [1026];
    int endpoints = 0;
    FILE *file = fopen (path, "r");
    if (!file)
        return -1;
    /*  The section service, with the endpoints, is the last one.  */
    while (fgets (line, sizeof line, file)) {
        if (sscanf (line, "    %63s = \"%1025[^\"]\"", name, value) != 2
        ||  line [0] != ' ') {
            if (line [0] != '#' && line [0] != ' ')
                sscanf (line, "%63s", section);
            continue;
        }
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            if (!strcmp (section, keys [i].section) && !strcmp (name, keys [i].name)
            &&  zmq_setsockopt (client, keys [i].option, value, strlen (value) + 1))
                endpoints = -1;
        if (endpoints >= 0 && !strcmp (section, "service") && !strcmp (name, "endpoint"))
            endpoints = zmq_connect (client, value) ? -1 : endpoints + 1;
        if (endpoints < 0)
            break;
    }
    fclose (file);
    return endpoints;
}

int
main (int argc, char *argv [])
{
    const char *path = argc > 1 ? argv [1] : BUNDLE;
    void *client = zmq_socket (zmq_ctx_new (), ZMQ_REQ);   /*  the type that fits your service  */
    int milliseconds = 10000;
    char reply [300];

    zmq_setsockopt (client, ZMQ_RCVTIMEO, &milliseconds, sizeof milliseconds);
    if (connect_by_bundle (client, path) < 1) {
        fprintf (stderr, "%s is not a bundle that this libzmq can use: %s\n", path, zmq_strerror (zmq_errno ()));
        return 1;
    }
    zmq_send (client, "good morning", 12, 0);
    int size = zmq_recv (client, reply, sizeof reply, 0);
    if (size < 0) {
        fprintf (stderr, "no reply within 10 seconds: try zcert probe %s\n", path);
        return 1;
    }
    printf ("reply: %.*s\n", size < (int) sizeof reply ? size : (int) sizeof reply, reply);
    return 0;
}
