//  What czmq's certificate class makes of files, and files that it makes.
//
//      czmq load FILE                prints the keys and the metadata
//      czmq lookup DIRECTORY KEY     prints the metadata of a key in a zcertstore
//      czmq save FILE [NAME VALUE]…  makes both files and prints the keys
//
//  Each line is NAME=VALUE. The exit code is 1 if there is no certificate.

#include <czmq.h>

static int
print_cert (zcert_t *cert)
{
    if (!cert)
        return 1;
    printf ("public=%s\n", zcert_public_txt (cert));
    printf ("secret=%s\n", zcert_secret_txt (cert));
    zlist_t *names = zcert_meta_keys (cert);
    zlist_sort (names, NULL);
    for (char *name = (char *) zlist_first (names); name; name = (char *) zlist_next (names))
        printf ("meta.%s=%s\n", name, zcert_meta (cert, name));
    zlist_destroy (&names);
    return 0;
}

int
main (int argc, char *argv [])
{
    if (argc >= 3 && streq (argv [1], "load")) {
        zcert_t *cert = zcert_load (argv [2]);
        int rc = print_cert (cert);
        zcert_destroy (&cert);
        return rc;
    }
    if (argc == 4 && streq (argv [1], "lookup")) {
        zcertstore_t *store = zcertstore_new (argv [2]);
        int rc = print_cert (zcertstore_lookup (store, argv [3]));
        zcertstore_destroy (&store);
        return rc;
    }
    if (argc >= 3 && argc % 2 == 1 && streq (argv [1], "save")) {
        zcert_t *cert = zcert_new ();
        for (int i = 3; i < argc; i += 2)
            zcert_set_meta (cert, argv [i], "%s", argv [i + 1]);
        int rc = zcert_save (cert, argv [2]);
        if (rc == 0)
            rc = print_cert (cert);
        zcert_destroy (&cert);
        return rc == 0 ? 0 : 1;
    }
    fprintf (stderr, "usage: czmq load FILE | lookup DIRECTORY KEY | save FILE [NAME VALUE]...\n");
    return 2;
}
