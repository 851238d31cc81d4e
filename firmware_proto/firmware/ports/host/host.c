/* The firmware as a process: behind a pseudo-terminal, a TCP port, or on its own standard input and output.
 *
 *   firmware                 makes a pseudo-terminal and prints its path
 *   firmware --tcp PORT      listens on 127.0.0.1 and prints the port; 0 takes a free one. One peer at a time, and as on
 *                            a wire nothing tells the firmware that another one came
 *   firmware --stdio         ends at the end of the input
 *
 * In the first two it ends when its standard input does, so that it does not outlive whoever started it. */
#define _XOPEN_SOURCE 700
#define _DEFAULT_SOURCE
#define _DARWIN_C_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "image.h"
#include "models.h"
#include "port.h"

/* Where the arena seems to be for a host whose addresses have 32 bits. */
#define ARENA_ADDRESS 0x20000000u

enum { BUFFER_BYTES = 1 << 16 };

static int input = -1, output = -1;
static int listener = -1; /* TCP only */
static int stdio;
static uint8_t in[BUFFER_BYTES], out[BUFFER_BYTES];
static size_t in_at, in_end, out_end;

static void die(const char *what)
{
    fprintf(stderr, "firmware: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- links ---- */

static void open_terminal(void)
{
    struct termios settings;
    input = output = posix_openpt(O_RDWR | O_NOCTTY);
    if (input < 0 || grantpt(input) || unlockpt(input))
        die("no pseudo-terminal");
    const char *path = ptsname(input);
    /* Kept open: without it the terminal hangs up whenever a peer closes. */
    int other_end = path ? open(path, O_RDWR | O_NOCTTY) : -1;
    if (other_end < 0 || tcgetattr(other_end, &settings))
        die("no other end of the pseudo-terminal");
    settings.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    settings.c_oflag &= ~(tcflag_t)OPOST;
    settings.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    settings.c_cflag = (settings.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
    if (tcsetattr(other_end, TCSANOW, &settings))
        die("cannot set the pseudo-terminal");
    printf("%s\n", path);
}

static void open_listener(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t size = sizeof address;
    int yes = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) ||
        bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&address, &size))
        die("cannot listen");
    printf("%d\n", ntohs(address.sin_port));
}

static void lose_peer(void)
{
    close(input);
    input = output = -1;
}

/* Waits until a descriptor has something to read; the end of standard input ends the process. */
static void wait_for(int descriptor)
{
    struct pollfd waits[] = {{.fd = descriptor, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    for (;;) {
        if (poll(waits, 2, -1) < 0 && errno != EINTR)
            die("poll");
        if (waits[1].revents) {
            char ignored[64];
            if (read(STDIN_FILENO, ignored, sizeof ignored) <= 0)
                exit(0);
        }
        if (waits[0].revents)
            return;
    }
}

static void accept_peer(void)
{
    int yes = 1;
    while (input < 0) {
        wait_for(listener);
        input = output = accept(listener, 0, 0);
    }
    setsockopt(input, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

/* ---- port.h ---- */

void port_start(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && !strcmp(argv[1], "--stdio")) {
        stdio = 1;
        input = STDIN_FILENO;
        output = STDOUT_FILENO;
    } else if (argc > 2 && !strcmp(argv[1], "--tcp")) {
        open_listener(atoi(argv[2]));
    } else {
        open_terminal();
    }
    fflush(stdout);
}

static void fill(void)
{
    port_flush();
    if (listener >= 0)
        accept_peer();
    if (!stdio)
        wait_for(input);
    ssize_t n = read(input, in, sizeof in);
    in_at = 0;
    in_end = n > 0 ? (size_t)n : 0;
    if (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)))
        return;
    if (listener < 0)
        exit(n < 0 && !stdio);
    lose_peer();
}

void port_read(uint8_t *to, uint32_t n)
{
    while (n) {
        while (in_at == in_end)
            fill();
        size_t taken = n < in_end - in_at ? n : in_end - in_at;
        memcpy(to, in + in_at, taken);
        to += taken;
        in_at += taken;
        n -= (uint32_t)taken;
    }
}

void port_flush(void)
{
    size_t at = 0;
    while (at < out_end && output >= 0) {
        ssize_t n = write(output, out + at, out_end - at);
        if (n > 0)
            at += (size_t)n;
        else if (n < 0 && errno != EINTR && listener >= 0)
            lose_peer();
        else if (n < 0 && errno != EINTR)
            exit(!stdio);
    }
    out_end = 0;
}

void port_write(const uint8_t *from, uint32_t n)
{
    while (n) {
        if (out_end == sizeof out)
            port_flush();
        size_t taken = n < sizeof out - out_end ? n : sizeof out - out_end;
        memcpy(out + out_end, from, taken);
        out_end += taken;
        from += taken;
        n -= (uint32_t)taken;
    }
}

uint64_t port_ticks(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

const port_description *port_describe(void)
{
    /* No STM32: no device id and no caches. The clock is the one that times are counted with. */
    static const port_description description = {
        .system_hz = 1000000000u,
        .bus_hz = 1000000000u,
        .ticks_hz = 1000000000u,
        .time_source = "host",
    };
    return &description;
}

uint8_t *port_memory(uint32_t address, uint32_t n, int writing)
{
    (void)writing;
    uint32_t offset = address - ARENA_ADDRESS;
    return offset <= AIV_ARENA_BYTES && n <= AIV_ARENA_BYTES - offset ? aiv_arena + offset : 0;
}

uint32_t port_address(const void *object)
{
    uintptr_t offset = (uintptr_t)object - (uintptr_t)aiv_arena;
    return offset < AIV_ARENA_BYTES ? ARENA_ADDRESS + (uint32_t)offset : 0;
}
