/* The only program of a laboratory guest: it runs as init, loads the virtio modules, does exactly the work that
 * the kernel command line asks for, and prints its own account of it on the serial line, before and after.
 * The kernel hands unknown NAME=VALUE parameters to init as environment variables. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST = 64 * 1024, MAX_THREADS = 64 };

struct done { /* what this program itself counted */
    long long read_bytes, written_bytes, flushes, touched_bytes, packets, packet_bytes;
    double cpu_seconds[MAX_THREADS];
};

static void fail(const char *what) {
    printf("@failed %s: %m\n", what);
    fflush(stdout);
    for (;;) pause(); /* the host finds this line in the serial log */
}

static long long wanted(const char *name) {
    const char *value = getenv(name);
    return value ? atoll(value) : 0;
}

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void rest(double duration) {
    struct timespec t = {(time_t)duration, (long)((duration - (time_t)duration) * 1e9)};
    if (duration > 0) nanosleep(&t, NULL);
}

/* Boot: pseudo file systems, modules in the order of their file names, the network interface up. */

static void load_modules(void) {
    char path[64];
    for (int number = 0;; number++) {
        snprintf(path, sizeof path, "/modules/%02d.ko", number);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) return;
        if (syscall(SYS_finit_module, fd, "", 0)) fail(path);
        close(fd);
    }
}

static void boot(void) {
    mkdir("/proc", 0755), mkdir("/sys", 0755), mkdir("/dev", 0755);
    if (mount("proc", "/proc", "proc", 0, NULL) || mount("sysfs", "/sys", "sysfs", 0, NULL)) fail("mount");
    mount("dev", "/dev", "devtmpfs", 0, NULL); /* the kernel may have mounted it */
    load_modules();
    struct ifreq request = {.ifr_name = "eth0", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ioctl(fd, SIOCSIFFLAGS, &request); /* a guest may have no interface */
    close(fd);
}

/* The work. */

static int disk = -1;
static long long disk_size, disk_offset;
static char *buffer;

static void open_disk(void) {
    for (int tries = 0; disk < 0 && tries < 100; tries++) {
        disk = open("/dev/vda", O_RDWR | O_DIRECT | O_CLOEXEC);
        if (disk < 0) rest(0.05);
    }
    if (disk < 0) fail("/dev/vda");
    disk_size = lseek(disk, 0, SEEK_END) / REQUEST * REQUEST;
    buffer = mmap(NULL, REQUEST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    memset(buffer, 0xa5, REQUEST);
}

/* Return the next request's size, after going back to the start at the end of the disk. */
static size_t next_request(long long left) {
    if (disk_offset + REQUEST > disk_size) disk_offset = 0;
    return left < REQUEST ? (size_t)left : REQUEST;
}

static void read_disk(long long bytes, struct done *done) {
    for (long long left = bytes; left > 0;) {
        size_t size = next_request(left);
        ssize_t got = pread(disk, buffer, size, disk_offset);
        if (got <= 0) fail("read");
        left -= got, disk_offset += got, done->read_bytes += got;
    }
}

/* Direct writes, with the flushes spread evenly and the last one at the end. */
static void write_disk(long long bytes, long long flushes, struct done *done) {
    long long flushed = 0;
    for (long long left = bytes; left > 0;) {
        size_t size = next_request(left);
        ssize_t put = pwrite(disk, buffer, size, disk_offset);
        if (put <= 0) fail("write");
        left -= put, disk_offset += put, done->written_bytes += put;
        for (; flushed < flushes * (bytes - left) / bytes; flushed++)
            if (fdatasync(disk)) fail("flush");
    }
    done->flushes += flushed;
}

struct burn {
    pthread_t thread;
    int cpu;
    double duration, used;
};

static void *burn(void *argument) {
    struct burn *self = argument;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(self->cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set)) fail("pin");
    double start = seconds(CLOCK_THREAD_CPUTIME_ID);
    do
        for (volatile int spin = 0; spin < 20000; spin++) {}
    while ((self->used = seconds(CLOCK_THREAD_CPUTIME_ID) - start) < self->duration);
    return NULL;
}

static void burn_cpu(double duration, int threads, struct done *done) {
    struct burn burns[MAX_THREADS];
    for (int i = 0; i < threads && i < MAX_THREADS; i++) {
        burns[i] = (struct burn){.cpu = i, .duration = duration};
        if (pthread_create(&burns[i].thread, NULL, burn, &burns[i])) fail("thread");
    }
    for (int i = 0; i < threads && i < MAX_THREADS; i++) {
        pthread_join(burns[i].thread, NULL);
        done->cpu_seconds[i] += burns[i].used;
    }
}

static void touch_memory(long long bytes, struct done *done) {
    static char *memory;
    if (!memory) {
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) fail("memory");
    }
    memset(memory, 0x5a, bytes);
    done->touched_bytes = bytes;
}

/* Broadcast frames of the local experimental EtherType, which no host answers. */
static void send_packets(long long packets, long long bytes, struct done *done) {
    long long rate = wanted("WORK_PACKETS_PER_SECOND");
    static unsigned char frame[65536] = {[0 ... 5] = 0xff, [6] = 0x52, [7] = 0x54, [12] = 0x88, [13] = 0xb5};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex("eth0")};
    for (long long i = 0; i < packets; i++) {
        while (sendto(fd, frame, bytes, 0, (void *)&to, sizeof to) < 0) rest(0.001); /* the queue is full */
        done->packets++, done->packet_bytes += bytes;
        if (rate && i % 10 == 9) rest(10.0 / rate);
    }
    close(fd);
    rest(0.2); /* the driver counts a frame when the host has taken it */
}

static void work(struct done *done) {
    long long memory = wanted("WORK_MEMORY"), packets = wanted("WORK_PACKETS");
    if (memory) touch_memory(memory, done);
    read_disk(wanted("WORK_READ"), done);
    write_disk(wanted("WORK_WRITE"), wanted("WORK_FLUSHES"), done);
    burn_cpu(wanted("WORK_CPU_MS") / 1e3, (int)wanted("WORK_CPU_THREADS"), done);
    if (packets) send_packets(packets, wanted("WORK_PACKET_BYTES"), done);
}

/* Open the guest agent's port as the agent does, and close it after a while. */
static int agent_port(void) {
    struct dirent *port;
    char path[300], name[64];
    DIR *ports = opendir("/sys/class/virtio-ports");
    int fd = -1;
    while (ports && fd < 0 && (port = readdir(ports))) {
        snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", port->d_name);
        FILE *file = fopen(path, "re");
        if (!file) continue;
        snprintf(path, sizeof path, "/dev/%s", port->d_name);
        if (fscanf(file, "%63s", name) == 1 && !strcmp(name, "org.qemu.guest_agent.0"))
            fd = open(path, O_RDWR | O_CLOEXEC);
        fclose(file);
    }
    if (ports) closedir(ports);
    return fd;
}

static void hold_agent_port(double duration) {
    int fd = -1;
    for (int tries = 0; fd < 0 && tries < 100; tries++, rest(0.05)) fd = agent_port();
    if (fd < 0) fail("the agent's port");
    rest(duration);
    close(fd);
}

/* The account: one line of JSON, from the kernel's own statistics and this program's counts. */

static char line[16384];
static size_t length;

static void put(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    length += vsnprintf(line + length, sizeof line - length, format, arguments);
    va_end(arguments);
}

static void drop_comma(const char *closing) {
    if (line[length - 1] == ',') length--;
    put("%s", closing);
}

static void put_disks(void) {
    char text[256], name[32];
    long long reads, read, writes, written, flushes;
    FILE *file = fopen("/proc/diskstats", "re");
    put("\"disks\":{");
    while (fgets(text, sizeof text, file))
        /* The kernel counts the empty request of a flush among the writes. */
        if (sscanf(text, "%*d %*d %31s %lld %*d %lld %*d %lld %*d %lld %*d %*d %*d %*d %*d %*d %*d %*d %lld",
                   name, &reads, &read, &writes, &written, &flushes) == 6)
            put("\"%s\":{\"reads\":%lld,\"read_bytes\":%lld,\"writes\":%lld,\"written_bytes\":%lld,"
                "\"flushes\":%lld},", name, reads, read * 512, writes - flushes, written * 512, flushes);
    drop_comma("},");
    fclose(file);
}

static void put_cpus(void) {
    char text[1024];
    long long user, nice, system, idle, iowait, irq, softirq, steal;
    FILE *file = fopen("/proc/stat", "re");
    put("\"cpus\":[");
    while (fgets(text, sizeof text, file))
        if (text[3] != ' ' && sscanf(text, "cpu%*d %lld %lld %lld %lld %lld %lld %lld %lld",
                   &user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal) == 8)
            put("{\"busy\":%.2f,\"idle\":%.2f,\"steal\":%.2f},",
                (user + nice + system + irq + softirq) / 100.0, (idle + iowait) / 100.0, steal / 100.0);
    drop_comma("],");
    fclose(file);
}

static long long number_in(const char *path) {
    long long number = -1;
    FILE *file = fopen(path, "re");
    if (!file) return -1;
    if (fscanf(file, "%lld", &number) != 1) number = -1;
    fclose(file);
    return number;
}

static void put_nics(void) {
    static const char *counters[] = {"rx_bytes", "rx_packets", "tx_bytes", "tx_packets"};
    char path[128];
    put("\"nics\":{");
    for (int nic = 0;; nic++) {
        snprintf(path, sizeof path, "/sys/class/net/eth%d", nic);
        if (access(path, F_OK)) break;
        put("\"eth%d\":{", nic);
        for (int i = 0; i < 4; i++) {
            snprintf(path, sizeof path, "/sys/class/net/eth%d/statistics/%s", nic, counters[i]);
            put("\"%s\":%lld,", counters[i], number_in(path));
        }
        drop_comma("},");
    }
    drop_comma("},");
}

static void put_memory(void) {
    char text[128], name[32];
    long long kib;
    FILE *file = fopen("/proc/meminfo", "re");
    put("\"memory\":{");
    while (fgets(text, sizeof text, file))
        if (sscanf(text, "%31[^:]: %lld", name, &kib) == 2 && !strncmp(name, "Mem", 3))
            put("\"%c%s\":%lld,", name[3] | 0x20, name + 4, kib * 1024);
    drop_comma("},");
    fclose(file);
}

static void account(const char *phase, const struct done *done, int threads) {
    length = 0;
    put("@account {\"phase\":\"%s\",\"uptime\":%.3f,", phase, seconds(CLOCK_BOOTTIME));
    put_disks(), put_cpus(), put_nics(), put_memory();
    put("\"done\":{\"read_bytes\":%lld,\"written_bytes\":%lld,\"flushes\":%lld,\"touched_bytes\":%lld,"
        "\"packets\":%lld,\"packet_bytes\":%lld,\"cpu_seconds\":[", done->read_bytes, done->written_bytes,
        done->flushes, done->touched_bytes, done->packets, done->packet_bytes);
    for (int i = 0; i < threads; i++) put("%.6f,", done->cpu_seconds[i]);
    drop_comma("]}}\n");
    fwrite(line, 1, length, stdout);
    fflush(stdout);
}

int main(void) {
    struct done done = {0};
    int threads = (int)wanted("WORK_CPU_THREADS");
    double period = wanted("WORK_PERIOD_MS") / 1e3;
    boot();
    if (wanted("WORK_READ") || wanted("WORK_WRITE")) open_disk();
    account("ready", &done, threads);
    rest(wanted("WORK_DELAY_MS") / 1e3);
    if (wanted("WORK_AGENT_MS")) hold_agent_port(wanted("WORK_AGENT_MS") / 1e3);
    work(&done);
    account("done", &done, threads);
    while (period > 0) { /* the same again for ever, unaccounted */
        double start = seconds(CLOCK_MONOTONIC);
        work(&done);
        rest(period - (seconds(CLOCK_MONOTONIC) - start));
    }
    if (wanted("WORK_HALTS")) reboot(RB_HALT_SYSTEM);
    for (;;) pause();
}
