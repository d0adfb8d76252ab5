/* sodium times libsodium's primitives, which libzmq uses.
 *
 *     gcc -O2 -Wall -o OUT sodium.c -lsodium
 *
 *     OUT MILLISECONDS NAME     the operation of that name, for that long
 *     OUT version
 *
 * It prints a line of JSON: nanoseconds per operation. */

#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LARGEST = 1 << 20 };

static unsigned char plain[LARGEST], sealed[LARGEST + crypto_box_MACBYTES];
static unsigned char public_key[32], secret_key[32], shared[32], nonce[24], tag[16];
static size_t size; /* of the operation's input, in bytes */

static void seal (void)
{
    crypto_box_easy_afternm (sealed, plain, size, nonce, shared);
}

static void open_box (void)
{
    if (crypto_box_open_easy_afternm (plain, sealed, size + crypto_box_MACBYTES, nonce, shared) != 0)
        abort ();
}

static void stream (void)
{
    crypto_stream_salsa20_xor (sealed, plain, size, nonce, shared);
}

static void onetimeauth (void)
{
    crypto_onetimeauth (tag, plain, size, shared);
}

static void scalarmult (void)
{
    if (crypto_scalarmult (shared, secret_key, public_key) != 0)
        abort ();
}

static void scalarmult_base (void)
{
    crypto_scalarmult_base (public_key, secret_key);
}

static uint64_t now_ns (void)
{
    struct timespec t;
    clock_gettime (CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* ns_per_operation repeats an operation for about that long. It reads the clock so
 * rarely that this doesn't matter. */
static double ns_per_operation (void (*operation) (void), uint64_t duration)
{
    uint64_t start, took, batch = 1, done = 0;

    for (;; batch *= 2) { /* warm up until a batch takes long enough */
        start = now_ns ();
        for (uint64_t i = 0; i < batch; i++)
            operation ();
        if (now_ns () - start > duration / 20)
            break;
    }
    start = now_ns ();
    do {
        for (uint64_t i = 0; i < batch; i++)
            operation ();
        done += batch;
        took = now_ns () - start;
    } while (took < duration);
    return (double) took / done;
}

int main (int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*operation) (void);
        size_t size;
    } all[] = {
        {"seal 64 B", seal, 64},
        {"open 64 B", open_box, 64},
        {"seal 1 KiB", seal, 1 << 10},
        {"open 1 KiB", open_box, 1 << 10},
        {"seal 64 KiB", seal, 64 << 10},
        {"open 64 KiB", open_box, 64 << 10},
        {"seal 1 MiB", seal, 1 << 20},
        {"open 1 MiB", open_box, 1 << 20},
        {"salsa20 64 KiB", stream, 64 << 10},
        {"poly1305 64 KiB", onetimeauth, 64 << 10},
        {"x25519 shared secret", scalarmult, 0},
        {"x25519 public key", scalarmult_base, 0},
    };

    if (sodium_init () < 0)
        return 1;
    if (argc == 2 && strcmp (argv[1], "version") == 0) {
        printf ("{\"version\":\"%s\"}\n", sodium_version_string ());
        return 0;
    }
    crypto_box_keypair (public_key, secret_key);
    randombytes_buf (shared, sizeof shared);
    for (size_t i = 0; argc == 3 && i < sizeof all / sizeof all[0]; i++) {
        if (strcmp (argv[2], all[i].name) != 0)
            continue;
        size = all[i].size;
        seal (); /* input for open */
        printf ("{\"ns\":%.1f}\n", ns_per_operation (all[i].operation, atoll (argv[1]) * 1000000));
        return 0;
    }
    fprintf (stderr, "sodium: unknown operation; see the list in sodium.c\n");
    return 2;
}
