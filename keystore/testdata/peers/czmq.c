/*  Look up keys in a directory as czmq's certificate store does, twice, such that it looks
 *  for changes: czmq-store DIR KEY...  Prints "known" or "unknown" for each. */
#include <czmq.h>

int
main (int argc, char **argv)
{
    if (argc < 2)
        return 2;
    zcertstore_t *store = zcertstore_new (argv [1]);
    for (int round = 0; round < 2; round++)
        for (int i = 2; i < argc; i++) {
            zcert_t *cert = zcertstore_lookup (store, argv [i]);
            puts (cert ? "known" : "unknown");
        }
    zcertstore_print (store);
    fflush (stdout);
    zcertstore_destroy (&store);
    return 0;
}
