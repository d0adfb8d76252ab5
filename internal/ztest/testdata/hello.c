#include <stdio.h>

int main (void)
{
    printf ("hello %d\n", NUMBER);
    return 0;
}
