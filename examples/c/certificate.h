/*  Reads keys from a certificate file, as zcert writes it.  */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*  Copies the key called name, "public-key" or "secret-key", into key: 40
    characters of Z85. Exits if there is none.  */
static void
read_key (const char *path, const char *name, char key [41])
{
    char line [1024], format [64];
    FILE *file = fopen (path, "r");
    if (!file) {
        perror (path);
        exit (1);
    }
    snprintf (format, sizeof format, " %s = \"%%40[^\"]\"", name);
    while (fgets (line, sizeof line, file))
        if (sscanf (line, format, key) == 1 && strlen (key) == 40) {
            fclose (file);
            return;
        }
    fprintf (stderr, "%s: no %s\n", path, name);
    exit (1);
}
