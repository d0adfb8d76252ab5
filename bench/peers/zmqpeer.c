/* zmqpeer is libzmq's end of the benchmarks; bench/peer is zcurve's, with the same
 * roles and the same output.
 *
 *     gcc -O2 -Wall -o OUT zmqpeer.c -lzmq -lpthread
 *
 * With -DCOUNT_ALLOCS, it also counts allocations. That is a separate executable,
 * because counting costs some throughput.
 *
 *     pull MECH SIZE COUNT               receive COUNT messages after a first one
 *     push MECH ENDPOINT SIZE COUNT      send COUNT+1 messages
 *     echo MECH [zap]                    answer every message with itself
 *     ask MECH ENDPOINT SIZE COUNT       COUNT round trips, after 1000 to warm up
 *     connect MECH ENDPOINT N COUNT      N threads, each COUNT connections
 *     version
 *
 * The keys are in the environment, in Z85. pull and echo print "listening
 * ENDPOINT" first; echo prints its processor time and memory for each line
 * that it reads, and exits when its input ends. Results are a line of JSON.
 *
 * The program uses the fastest settings of libzmq. At 64 bytes, libzmq was 1.3
 * times slower with high-water marks of 0 than with the default ones. Receiving
 * with zmq_recv into a buffer was as fast as with zmq_msg_recv, which is faster
 * from 1 KiB on. */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { WARM_UP = 1000 };

static atomic_ullong alloc_count, alloc_bytes;

#ifdef COUNT_ALLOCS
/* The executable's definitions take precedence over those of the C library, even
 * for libzmq, whose operator new calls these. */
extern void *__libc_malloc (size_t n);
extern void *__libc_calloc (size_t k, size_t n);
extern void *__libc_realloc (void *p, size_t n);
extern void *__libc_memalign (size_t align, size_t n);

static void count (size_t n)
{
    atomic_fetch_add_explicit (&alloc_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit (&alloc_bytes, n, memory_order_relaxed);
}

void *malloc (size_t n)
{
    count (n);
    return __libc_malloc (n);
}

void *calloc (size_t k, size_t n)
{
    count (k * n);
    return __libc_calloc (k, n);
}

void *realloc (void *p, size_t n)
{
    count (n);
    return __libc_realloc (p, n);
}

void *aligned_alloc (size_t align, size_t n)
{
    count (n);
    return __libc_memalign (align, n);
}

int posix_memalign (void **p, size_t align, size_t n)
{
    count (n);
    *p = __libc_memalign (align, n);
    return *p ? 0 : ENOMEM;
}
#endif

static void fail (const char *what)
{
    fprintf (stderr, "zmqpeer: %s: %s\n", what, zmq_strerror (errno));
    exit (1);
}

/* check exits if a call of libzmq failed. */
static void check (int rc, const char *what)
{
    if (rc < 0)
        fail (what);
}

static uint64_t now_ns (void)
{
    struct timespec t;
    clock_gettime (CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* cpu_ns returns the processor time of the process so far. */
static uint64_t cpu_ns (void)
{
    struct rusage u;
    getrusage (RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000ull
           + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000ull;
}

/* key returns a key from the environment. */
static const char *key (const char *name)
{
    const char *z85 = getenv (name);
    if (!z85 || strlen (z85) != 40) {
        errno = EINVAL;
        fail (name);
    }
    return z85;
}

static void set_int (void *socket, int option, int value, const char *name)
{
    check (zmq_setsockopt (socket, option, &value, sizeof value), name);
}

static void set_key (void *socket, int option, const char *name)
{
    check (zmq_setsockopt (socket, option, key (name), 41), name);
}

/* listen_as creates a server socket, binds it and prints the endpoint. */
static void *listen_as (void *ctx, int type, const char *mech, int zap)
{
    void *socket = zmq_socket (ctx, type);
    char endpoint[256];
    size_t size = sizeof endpoint;

    if (!socket)
        fail ("socket");
    set_int (socket, ZMQ_LINGER, 0, "linger");
    if (strcmp (mech, "CURVE") == 0) {
        set_int (socket, ZMQ_CURVE_SERVER, 1, "curve server");
        set_key (socket, ZMQ_CURVE_SECRETKEY, "BENCH_SERVER_SECRET");
    }
    if (zap)
        check (zmq_setsockopt (socket, ZMQ_ZAP_DOMAIN, "bench", 5), "domain");
    check (zmq_bind (socket, "tcp://127.0.0.1:*"), "bind");
    check (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &size), "endpoint");
    printf ("listening %s\n", endpoint);
    fflush (stdout);
    return socket;
}

/* dial_as creates a client socket and connects it. */
static void *dial_as (void *ctx, int type, const char *mech, const char *endpoint, int linger)
{
    void *socket = zmq_socket (ctx, type);

    if (!socket)
        fail ("socket");
    set_int (socket, ZMQ_LINGER, linger, "linger");
    if (strcmp (mech, "CURVE") == 0) {
        set_key (socket, ZMQ_CURVE_SERVERKEY, "BENCH_SERVER_PUBLIC");
        set_key (socket, ZMQ_CURVE_PUBLICKEY, "BENCH_CLIENT_PUBLIC");
        set_key (socket, ZMQ_CURVE_SECRETKEY, "BENCH_CLIENT_SECRET");
    }
    check (zmq_connect (socket, endpoint), "connect");
    return socket;
}

/* meter measures a run of messages: the time of all of them, and the allocations
 * of the second half, when all buffers have grown. */
struct meter {
    uint64_t messages, done, ns, allocs, bytes, half;
};

static void meter_start (struct meter *m, uint64_t messages)
{
    memset (m, 0, sizeof *m);
    m->messages = messages;
    m->half = messages / 2;
    m->ns = now_ns ();
}

static inline void meter_tick (struct meter *m)
{
    if (++m->done == m->half) {
        m->allocs = atomic_load (&alloc_count);
        m->bytes = atomic_load (&alloc_bytes);
    }
}

static void meter_print (const struct meter *m)
{
    uint64_t ns = now_ns () - m->ns;
    printf ("{\"messages\":%llu,\"ns\":%llu,\"allocs\":%llu,"
            "\"alloc_bytes\":%llu,\"alloc_messages\":%llu}\n",
            (unsigned long long) m->messages, (unsigned long long) ns,
            (unsigned long long) (atomic_load (&alloc_count) - m->allocs),
            (unsigned long long) (atomic_load (&alloc_bytes) - m->bytes),
            (unsigned long long) (m->messages - m->half));
    fflush (stdout);
}

static void pull (void *ctx, const char *mech, size_t size, uint64_t count)
{
    void *socket = listen_as (ctx, ZMQ_PULL, mech, 0);
    struct meter m;
    zmq_msg_t msg;

    zmq_msg_init (&msg);
    for (uint64_t i = 0; i <= count; i++) {
        check (zmq_msg_recv (&msg, socket, 0), "receive");
        if (zmq_msg_size (&msg) != size) {
            errno = EPROTO;
            fail ("size of a message");
        }
        if (i == 0)
            meter_start (&m, count);
        else
            meter_tick (&m);
    }
    meter_print (&m);
    zmq_msg_close (&msg);
    zmq_close (socket);
}

static void push (void *ctx, const char *mech, const char *endpoint, size_t size, uint64_t count)
{
    void *socket = dial_as (ctx, ZMQ_PUSH, mech, endpoint, -1);
    char *body = calloc (1, size);
    struct meter m;

    check (zmq_send (socket, body, size, 0), "send"); /* waits for the handshake */
    meter_start (&m, count);
    for (uint64_t i = 0; i < count; i++) {
        check (zmq_send (socket, body, size, 0), "send");
        meter_tick (&m);
    }
    zmq_close (socket);
    zmq_ctx_term (ctx); /* waits until all messages are delivered */
    meter_print (&m);
    free (body);
    exit (0);
}

/* zap_handler admits one client. */
static void *zap_handler (void *socket)
{
    enum { FRAMES = 7 };
    unsigned char client[32];
    zmq_msg_t in[FRAMES];

    zmq_z85_decode (client, key ("BENCH_CLIENT_PUBLIC"));
    for (;;) {
        for (int i = 0; i < FRAMES; i++) {
            zmq_msg_init (&in[i]);
            if (zmq_msg_recv (&in[i], socket, 0) < 0) { /* the context ends */
                zmq_close (socket);
                return NULL;
            }
        }
        int known = zmq_msg_size (&in[6]) == 32
                    && memcmp (zmq_msg_data (&in[6]), client, 32) == 0;
        zmq_msg_send (&in[0], socket, ZMQ_SNDMORE);
        zmq_msg_send (&in[1], socket, ZMQ_SNDMORE);
        zmq_send (socket, known ? "200" : "400", 3, ZMQ_SNDMORE);
        zmq_send (socket, "", 0, ZMQ_SNDMORE);
        zmq_send (socket, known ? "bench" : "", known ? 5 : 0, ZMQ_SNDMORE);
        zmq_send (socket, "", 0, 0);
        for (int i = 2; i < FRAMES; i++)
            zmq_msg_close (&in[i]);
    }
}

static void print_stat (void)
{
    unsigned long long size, resident;
    FILE *f = fopen ("/proc/self/statm", "r");

    if (!f || fscanf (f, "%llu %llu", &size, &resident) != 2)
        fail ("/proc/self/statm");
    fclose (f);
    printf ("{\"cpu_ns\":%llu,\"rss\":%llu}\n", (unsigned long long) cpu_ns (),
            resident * (unsigned long long) sysconf (_SC_PAGESIZE));
    fflush (stdout);
}

/* echo_waiting answers all messages that have arrived. A peer that has left in the
 * meantime loses its answer. */
static void echo_waiting (void *router)
{
    zmq_msg_t id, body;

    zmq_msg_init (&id);
    zmq_msg_init (&body);
    while (zmq_msg_recv (&id, router, ZMQ_DONTWAIT) >= 0) {
        check (zmq_msg_recv (&body, router, 0), "receive");
        check (zmq_msg_send (&id, router, ZMQ_SNDMORE), "send");
        check (zmq_msg_send (&body, router, 0), "send");
    }
    if (errno != EAGAIN)
        fail ("receive");
    zmq_msg_close (&id);
    zmq_msg_close (&body);
}

static void echo (void *ctx, const char *mech, int zap)
{
    pthread_t thread;
    void *router;

    if (zap) {
        void *handler = zmq_socket (ctx, ZMQ_REP);
        check (zmq_bind (handler, "inproc://zeromq.zap.01"), "bind");
        pthread_create (&thread, NULL, zap_handler, handler);
    }
    router = listen_as (ctx, ZMQ_ROUTER, mech, zap);
    zmq_pollitem_t items[2] = {{router, 0, ZMQ_POLLIN, 0}, {NULL, 0, ZMQ_POLLIN, 0}};
    for (;;) {
        check (zmq_poll (items, 2, -1), "poll");
        if (items[0].revents)
            echo_waiting (router);
        if (items[1].revents) {
            char line[16];
            if (read (0, line, sizeof line) <= 0)
                break;
            print_stat ();
        }
    }
    zmq_close (router);
}

static int ascending (const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;
    return x < y ? -1 : x > y;
}

static void ask (void *ctx, const char *mech, const char *endpoint, size_t size, uint64_t count)
{
    void *socket = dial_as (ctx, ZMQ_DEALER, mech, endpoint, 0);
    uint64_t *took = calloc (count, sizeof *took);
    char *body = calloc (1, size);

    for (uint64_t i = 0; i < WARM_UP + count; i++) {
        uint64_t start = now_ns ();
        check (zmq_send (socket, body, size, 0), "send");
        check (zmq_recv (socket, body, size, 0), "receive");
        if (i >= WARM_UP)
            took[i - WARM_UP] = now_ns () - start;
    }
    qsort (took, count, sizeof *took, ascending);
    printf ("{\"median_ns\":%llu,\"p99_ns\":%llu}\n",
            (unsigned long long) took[count / 2],
            (unsigned long long) took[count * 99 / 100]);
    free (took);
    free (body);
    zmq_close (socket);
}

/* connecting is run by each thread of connect. */
struct connecting {
    void *ctx;
    const char *mech, *endpoint;
    uint64_t count;
};

static void *connect_often (void *task)
{
    struct connecting *c = task;
    char octet = 'x';

    for (uint64_t i = 0; i < c->count; i++) {
        void *socket = dial_as (c->ctx, ZMQ_DEALER, c->mech, c->endpoint, 0);
        check (zmq_send (socket, &octet, 1, 0), "send");
        check (zmq_recv (socket, &octet, 1, 0), "receive");
        zmq_close (socket);
    }
    return NULL;
}

static void connect_all (void *ctx, const char *mech, const char *endpoint, int clients, uint64_t count)
{
    pthread_t *threads = calloc (clients, sizeof *threads);
    struct connecting task = {ctx, mech, endpoint, count};
    uint64_t ns = now_ns ();

    for (int i = 0; i < clients; i++)
        pthread_create (&threads[i], NULL, connect_often, &task);
    for (int i = 0; i < clients; i++)
        pthread_join (threads[i], NULL);
    printf ("{\"connections\":%llu,\"ns\":%llu}\n",
            (unsigned long long) (clients * count),
            (unsigned long long) (now_ns () - ns));
    free (threads);
}

/* raise_limit allows the process as many open files as possible. */
static void raise_limit (void)
{
    struct rlimit limit;
    getrlimit (RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit (RLIMIT_NOFILE, &limit);
}

int main (int argc, char **argv)
{
    void *ctx = zmq_ctx_new ();

    raise_limit ();
    if (argc == 2 && strcmp (argv[1], "version") == 0) {
        int major, minor, patch;
        zmq_version (&major, &minor, &patch);
        printf ("{\"version\":\"%d.%d.%d\"}\n", major, minor, patch);
    } else if (argc == 5 && strcmp (argv[1], "pull") == 0) {
        pull (ctx, argv[2], atoll (argv[3]), atoll (argv[4]));
    } else if (argc == 6 && strcmp (argv[1], "push") == 0) {
        push (ctx, argv[2], argv[3], atoll (argv[4]), atoll (argv[5]));
    } else if ((argc == 3 || argc == 4) && strcmp (argv[1], "echo") == 0) {
        echo (ctx, argv[2], argc == 4);
    } else if (argc == 6 && strcmp (argv[1], "ask") == 0) {
        ask (ctx, argv[2], argv[3], atoll (argv[4]), atoll (argv[5]));
    } else if (argc == 6 && strcmp (argv[1], "connect") == 0) {
        connect_all (ctx, argv[2], argv[3], atoi (argv[4]), atoll (argv[5]));
    } else {
        fprintf (stderr, "zmqpeer: unknown role; see the comment at the top of zmqpeer.c\n");
        return 2;
    }
    zmq_ctx_term (ctx);
    return 0;
}
