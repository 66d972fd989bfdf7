/* A library with NVML's binary interface (nvml.h of driver 580), played by tests: devices, vGPUs and MIG
 * instances are tables that a test fills through the fake_ functions; every call can be counted, made to
 * fail for one device or for all, and made to hang. Buffers are written up to their last byte at most.
 * -DOLD_DRIVER leaves out what older drivers do not have. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEVICES 8
#define VGPUS 16
#define RULES 64
#define EVERY (-1)

enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7,
       TIMED_OUT = 10, LOST = 15 };

typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } pci_t;
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory2_t;
typedef struct { unsigned gpu, memory; } utilization_t;
typedef struct { unsigned long long reference, violation; } violation_t;
typedef struct { unsigned max, high, partial, low, none; } histogram_t;
typedef union { double d; unsigned u; unsigned long ul; unsigned long long ull; long long sll; int i;
                unsigned short us; } value_t;
typedef struct { unsigned field, scope; long long timestamp, latency; int type, result; value_t value; } field_t;
typedef struct { unsigned instance; unsigned long long stamp; value_t sm, mem, enc, dec; } sample_t;
typedef struct { unsigned long long stamp; unsigned instance; value_t sm, mem, enc, dec, jpg, ofa; } info_t;
typedef struct { unsigned version; int type; unsigned count; unsigned long long since; info_t *array; } infos_t;
typedef struct { unsigned year; unsigned short month, day, hour, min, sec; unsigned char status; } expiry_t;
typedef struct { unsigned char licensed; expiry_t expiry; unsigned state; } license_t;
typedef struct { void *device; unsigned long long type, data; unsigned gi, ci; } event_t;
typedef struct { unsigned version; int margin; } margin_t;
typedef struct { unsigned version; unsigned long long counts[11]; unsigned exceeded; } sram_t;
typedef struct { unsigned policy, arr, params[2]; } scheduler_t;

struct device { char bus_id[32], name[96], serial[30], uuid[96]; int lost, mig; unsigned long long links;
                unsigned long long energy, errors, nvlink_kib; };
struct vgpu { unsigned id, type, gi; int device, licensed; char uuid[80], mdev[80], vm[80]; int vm_kind;
              unsigned long long used, size, stamp; unsigned busy; };
struct rule { char function[64]; int device, code; };

static struct device devices[DEVICES];
static struct vgpu vgpus[VGPUS];
static struct rule rules[RULES], calls[512];
static struct device mig_devices[DEVICES];
static int device_count, vgpu_count, rule_count, call_count, opened, set, xid_device = -1;
static unsigned long long xid;
static char hanging[64];
static volatile int hung;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The test's side */

int fake_device(const char *bus_id, const char *name, const char *serial, const char *uuid) {
  struct device *d = &devices[device_count];
  strcpy(d->bus_id, bus_id); strcpy(d->name, name); strcpy(d->serial, serial); strcpy(d->uuid, uuid);
  return device_count++;
}
void fake_counters(int device, unsigned long long energy, unsigned long long errors, unsigned long long kib) {
  devices[device].energy = energy; devices[device].errors = errors; devices[device].nvlink_kib = kib;
}
void fake_links(int device, int links) { devices[device].links = (1ULL << links) - 1; }
void fake_link_set(int device, int links) { devices[device].links = links; }
void fake_mig(int device, int on) { devices[device].mig = on; }
static int wild;
/* 1: what has no value here is all ones, as a driver says that knows nothing; 2: memory of 0. */
void fake_wild(int how) { wild = how; }
#define SAID(value) (wild == 1 ? -1 : (value))
void fake_lose(int device, int lost) { devices[device].lost = lost; }
void fake_vgpu(int device, unsigned id, unsigned type, const char *mdev, const char *vm, int vm_kind,
               unsigned gi, unsigned long long used, unsigned long long size) {
  struct vgpu *v = &vgpus[vgpu_count++];
  v->device = device; v->id = id; v->type = type; v->vm_kind = vm_kind; v->gi = gi; v->used = used; v->size = size;
  strcpy(v->mdev, mdev); strcpy(v->vm, vm); sprintf(v->uuid, "vgpu-%08x", id); v->licensed = 1;
}
void fake_sample(unsigned id, unsigned long long stamp, unsigned busy) {
  for (int i = 0; i < vgpu_count; i++) if (vgpus[i].id == id) { vgpus[i].stamp = stamp; vgpus[i].busy = busy; }
}
void fake_fail(const char *function, int device, int code) {
  strcpy(rules[rule_count].function, function); rules[rule_count].device = device; rules[rule_count++].code = code;
}
void fake_mend(void) { rule_count = 0; }
void fake_hang(const char *function) { strcpy(hanging, function); }
void fake_xid(int device, unsigned long long code) { xid = code; xid_device = device; }
int fake_calls(const char *function, int device) {
  for (int i = 0; i < call_count; i++)
    if (!strcmp(calls[i].function, function) && calls[i].device == device) return calls[i].code;
  return 0;
}
int fake_opened(void) { return opened; }
int fake_hung(void) { return hung; }

/* The library's side */

static void counted(const char *function, int device) {
  pthread_mutex_lock(&lock);
  int i = 0;
  while (i < call_count && (strcmp(calls[i].function, function) || calls[i].device != device)) i++;
  if (i == call_count) { strcpy(calls[i].function, function); calls[i].device = device; call_count++; }
  calls[i].code++;
  pthread_mutex_unlock(&lock);
}
static int enter(const char *function, int device) {
  if (!opened) return UNINITIALIZED;
  counted(function, device);
  if (!strcmp(hanging, function)) hung++;
  while (!strcmp(hanging, function)) usleep(1000);
  if (device >= 0 && devices[device].lost) return LOST;
  for (int i = 0; i < rule_count; i++)
    if (!strcmp(rules[i].function, function) && (rules[i].device == EVERY || rules[i].device == device))
      return rules[i].code;
  return OK;
}
static int number_of(struct device *d) {
  return d >= mig_devices && d < mig_devices + DEVICES ? (int)(d - mig_devices) : (int)(d - devices);
}
static int copied(char *to, unsigned size, const char *from) {
  if (strlen(from) + 1 > size) return TOO_SMALL;
  memcpy(to, from, strlen(from) + 1);
  return OK;
}
static struct vgpu *of(unsigned id) {
  for (int i = 0; i < vgpu_count; i++) if (vgpus[i].id == id) return &vgpus[i];
  return NULL;
}

#define ENTER(device) int entered = enter(__func__, device); if (entered) return entered
#define DEVICE ENTER(number_of(d))
#define VGPU struct vgpu *v = of(id); if (!v) return NOT_FOUND; ENTER(v->device)
#define GIVES(function, type, expression) \
  int function(struct device *d, type *out) { DEVICE; *out = (type)(expression); return OK; }

int nvmlInitWithFlags(unsigned flags) {
  (void)flags; opened++;
  int failed = enter(__func__, EVERY);
  if (failed) opened--;
  return failed;
}
int nvmlShutdown(void) { ENTER(EVERY); opened--; return OK; }
int nvmlSystemGetDriverVersion(char *out, unsigned size) { ENTER(EVERY); return copied(out, size, "580.95.05"); }
int nvmlSystemGetNVMLVersion(char *out, unsigned size) { ENTER(EVERY); return copied(out, size, "13.580.95.05"); }
int nvmlDeviceGetCount_v2(unsigned *out) { ENTER(EVERY); *out = device_count; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct device **out) {
  ENTER((int)index); *out = &devices[index]; return OK;
}
int nvmlDeviceGetPciInfo_v3(struct device *d, pci_t *out) {
  DEVICE; memset(out, 0, sizeof *out); strcpy(out->bus_id, d->bus_id); return OK;
}
int nvmlDeviceGetName(struct device *d, char *out, unsigned size) { DEVICE; return copied(out, size, d->name); }
int nvmlDeviceGetSerial(struct device *d, char *out, unsigned size) { DEVICE; return copied(out, size, d->serial); }
int nvmlDeviceGetUUID(struct device *d, char *out, unsigned size) { DEVICE; return copied(out, size, d->uuid); }
GIVES(nvmlDeviceGetModuleId, unsigned, number_of(d) + 1)
GIVES(nvmlDeviceGetPowerUsage, unsigned, SAID(312500))
GIVES(nvmlDeviceGetEnforcedPowerLimit, unsigned, SAID(700000))
GIVES(nvmlDeviceGetTotalEnergyConsumption, unsigned long long, d->energy)
GIVES(nvmlDeviceGetPcieReplayCounter, unsigned, d->errors)
GIVES(nvmlDeviceGetCurrentClocksThrottleReasons, unsigned long long, SAID(0x4 | 0x40))
#ifndef OLD_DRIVER
GIVES(nvmlDeviceGetCurrentClocksEventReasons, unsigned long long, SAID(0x4 | 0x40))
#endif
GIVES(nvmlDeviceGetRetiredPagesPendingStatus, unsigned, 0)
GIVES(nvmlDeviceGetMaxMigDeviceCount, unsigned, 7)
GIVES(nvmlDeviceGetGpuInstanceId, unsigned, 3)
GIVES(nvmlDeviceGetComputeInstanceId, unsigned, 0)
int nvmlDeviceGetTemperature(struct device *d, unsigned sensor, unsigned *out) { DEVICE; *out = SAID(61 + sensor); return OK; }
#ifndef OLD_DRIVER
int nvmlDeviceGetMarginTemperature(struct device *d, margin_t *io) {
  DEVICE; if (io->version != (sizeof *io | 1 << 24)) return 25; io->margin = -3; return OK;
}
int nvmlDeviceGetSramEccErrorStatus(struct device *d, sram_t *io) {
  DEVICE; if (io->version != (sizeof *io | 1 << 24)) return 25; io->exceeded = d->errors > 1000; return OK;
}
#endif
int nvmlDeviceGetUtilizationRates(struct device *d, utilization_t *out) {
  DEVICE; if (d->mig) return NOT_SUPPORTED; out->gpu = SAID(87); out->memory = wild == 1 ? 255 : 25; return OK;
}
int nvmlDeviceGetEncoderUtilization(struct device *d, unsigned *out, unsigned *period) {
  DEVICE; *out = wild == 1 ? 255 : 5; *period = 167000; return OK;
}
int nvmlDeviceGetMemoryInfo(struct device *d, memory_t *out) {
  DEVICE; out->total = 80ULL << 30; out->used = 12ULL << 30; out->free = 68ULL << 30; return OK;
}
#ifndef OLD_DRIVER
int nvmlDeviceGetMemoryInfo_v2(struct device *d, memory2_t *out) {
  DEVICE; out->total = 80ULL << 30; out->used = 10ULL << 30; out->reserved = 2ULL << 30; out->free = 68ULL << 30;
  if (wild == 1) out->used = -4096;
  if (wild == 2) out->total = out->used = 0;
  return OK;
}
#endif
int nvmlDeviceGetClockInfo(struct device *d, unsigned type, unsigned *out) {
  DEVICE; if (type == 3) return NOT_SUPPORTED; *out = SAID(1980 + type); return OK;
}
int nvmlDeviceGetViolationStatus(struct device *d, unsigned policy, violation_t *out) {
  DEVICE; if (policy > 1) return NOT_SUPPORTED; out->reference = 0; out->violation = d->errors * 1000000000ULL; return OK;
}
int nvmlDeviceGetEccMode(struct device *d, unsigned *now, unsigned *pending) { DEVICE; *now = *pending = SAID(1); return OK; }
int nvmlDeviceGetTotalEccErrors(struct device *d, unsigned type, unsigned counter, unsigned long long *out) {
  DEVICE; *out = counter == 1 ? d->errors + type : 0; return OK;
}
int nvmlDeviceGetMemoryErrorCounter(struct device *d, unsigned type, unsigned counter, unsigned where,
                                    unsigned long long *out) {
  DEVICE; *out = d->errors + type + counter + where; return OK;
}
int nvmlDeviceGetRemappedRows(struct device *d, unsigned *corrected, unsigned *uncorrected, unsigned *pending,
                              unsigned *failed) {
  DEVICE; *corrected = d->errors; *uncorrected = 0; *pending = SAID(1); *failed = SAID(0); return OK;
}
int nvmlDeviceGetRowRemapperHistogram(struct device *d, histogram_t *out) {
  DEVICE; *out = (histogram_t){ SAID(638), SAID(1), SAID(1), SAID(0), SAID(0) }; return OK;
}
int nvmlDeviceGetRetiredPages(struct device *d, unsigned cause, unsigned *count, unsigned long long *pages) {
  DEVICE; unsigned there = cause ? 2 : 0;
  if (*count < there || (there && !pages)) { *count = there; return TOO_SMALL; }
  for (unsigned i = 0; i < there; i++) pages[i] = 4096 * i;
  *count = there; return OK;
}
int nvmlDeviceGetEncoderStats(struct device *d, unsigned *sessions, unsigned *fps, unsigned *latency) {
  DEVICE; *sessions = SAID(0); *fps = SAID(0); *latency = SAID(0); return OK;
}
int nvmlDeviceGetNvLinkState(struct device *d, unsigned link, unsigned *out) {
  DEVICE; if (link >= 64 || !(d->links >> link & 1)) return INVALID; *out = link != 1; return OK;
}
int nvmlDeviceGetFieldValues(struct device *d, int count, field_t *f) {
  DEVICE;
  for (int i = 0; i < count; i++) {
    f[i].result = OK; f[i].type = 3;
    switch (f[i].field) {
    case 82: f[i].type = 1; f[i].value.u = SAID(70); break;
#ifndef OLD_DRIVER
    case 185: f[i].type = 1; f[i].value.u = 48250; f[i].result = f[i].scope == 2 ? OK : NOT_SUPPORTED; break;
#endif
    case 38: case 45: case 52: case 59: f[i].value.ull = d->errors + f[i].field; break;
#ifdef OLD_DRIVER
    case 138: case 139: f[i].value.ull = d->nvlink_kib + f[i].field; break;
#else
    case 202: case 204: f[i].value.ull = d->nvlink_kib * 1024; break;
#endif
    default: f[i].result = NOT_SUPPORTED;
    }
  }
  return OK;
}
int nvmlDeviceGetMigMode(struct device *d, unsigned *now, unsigned *pending) { DEVICE; *now = *pending = d->mig; return OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(struct device *d, unsigned index, struct device **out) {
  DEVICE; if (index != 2) return NOT_FOUND;
  *out = &mig_devices[number_of(d)]; strcpy((*out)->name, "NVIDIA H100 80GB HBM3 MIG 1g.10gb");
  strcpy((*out)->uuid, "MIG-5a8f"); return OK;
}

/* Events: one at a time, sent to the first that waits. A wait may end early, and here it does. */
int nvmlEventSetCreate(int **out) { ENTER(EVERY); *out = &set; return OK; }
int nvmlEventSetFree(int *which) { (void)which; ENTER(EVERY); return OK; }
int nvmlDeviceRegisterEvents(struct device *d, unsigned long long types, int *which) {
  (void)types; (void)which; DEVICE; return OK;
}
int nvmlEventSetWait_v2(int *which, event_t *out, unsigned milliseconds) {
  (void)which; ENTER(EVERY);
  for (unsigned waited = 0; waited < milliseconds && waited < 20; waited++) {
    if (xid_device >= 0) {
      *out = (event_t){ &devices[xid_device], 8, xid, 0, 0 }; xid_device = -1; return OK;
    }
    usleep(1000);
  }
  return TIMED_OUT;
}

/* vGPUs */
int nvmlDeviceGetActiveVgpus(struct device *d, unsigned *count, unsigned *out) {
  DEVICE; unsigned there = 0, room = *count;
  for (int i = 0; i < vgpu_count; i++) there += vgpus[i].device == number_of(d);
  *count = there;
  if (there > room) return TOO_SMALL;
  for (int i = 0, n = 0; i < vgpu_count; i++) if (vgpus[i].device == number_of(d)) out[n++] = vgpus[i].id;
  return OK;
}
int nvmlVgpuInstanceGetVmID(unsigned id, char *out, unsigned size, unsigned *kind) {
  VGPU; *kind = v->vm_kind;
  memset(out, 'x', size); /* a driver may use the buffer up to the size that it was given */
  return copied(out, size, v->vm);
}
int nvmlVgpuInstanceGetUUID(unsigned id, char *out, unsigned size) { VGPU; return copied(out, size, v->uuid); }
int nvmlVgpuInstanceGetMdevUUID(unsigned id, char *out, unsigned size) {
  VGPU; return *v->mdev ? copied(out, size, v->mdev) : NOT_SUPPORTED;
}
int nvmlVgpuInstanceGetType(unsigned id, unsigned *out) { VGPU; *out = v->type; return OK; }
int nvmlVgpuInstanceGetFbUsage(unsigned id, unsigned long long *out) { VGPU; *out = v->used; return OK; }
int nvmlVgpuInstanceGetGpuInstanceId(unsigned id, unsigned *out) { VGPU; *out = v->gi; return OK; }
int nvmlVgpuInstanceGetEccMode(unsigned id, unsigned *out) { VGPU; *out = 1; return OK; }
int nvmlVgpuInstanceGetVmDriverVersion(unsigned id, char *out, unsigned size) { VGPU; return copied(out, size, "570.1"); }
int nvmlVgpuInstanceGetEncoderStats(unsigned id, unsigned *sessions, unsigned *fps, unsigned *latency) {
  VGPU; *sessions = 2; *fps = 60; *latency = 1500; return OK;
}
int nvmlVgpuInstanceGetLicenseInfo_v2(unsigned id, license_t *out) {
  VGPU; memset(out, 0, sizeof *out); out->licensed = v->licensed; out->state = v->licensed ? 5 : 4; return OK;
}
int nvmlVgpuTypeGetFramebufferSize(unsigned type, unsigned long long *out) {
  ENTER(EVERY);
  for (int i = 0; i < vgpu_count; i++) if (vgpus[i].type == type) { *out = vgpus[i].size; return OK; }
  return INVALID;
}
int nvmlVgpuTypeGetName(unsigned type, char *out, unsigned *size) {
  ENTER(EVERY); char name[64]; sprintf(name, "NVIDIA H100-%uC", type); *size = sizeof name; return copied(out, 64, name);
}
int nvmlDeviceGetVgpuSchedulerState(struct device *d, scheduler_t *out) { DEVICE; out->policy = 2; return OK; }
static int sampled(struct device *d, unsigned long long since) {
  int there = 0;
  for (int i = 0; i < vgpu_count; i++) there += vgpus[i].device == number_of(d) && vgpus[i].stamp > since;
  return there;
}
int nvmlDeviceGetVgpuUtilization(struct device *d, unsigned long long since, int *type, unsigned *count, sample_t *out) {
  DEVICE; *type = 1; unsigned there = sampled(d, since);
  if (!there) return NOT_FOUND;
  if (!out || *count < there) { *count = there; return TOO_SMALL; }
  for (int i = 0, n = 0; i < vgpu_count; i++) if (vgpus[i].device == number_of(d) && vgpus[i].stamp > since)
    out[n++] = (sample_t){ vgpus[i].id, vgpus[i].stamp, { .u = vgpus[i].busy }, { .u = 10 }, { .u = 0 }, { .u = 0 } };
  return OK;
}
#ifndef OLD_DRIVER
int nvmlDeviceGetVgpuInstancesUtilizationInfo(struct device *d, infos_t *io) {
  DEVICE; unsigned there = sampled(d, io->since);
  if (!there) return NOT_FOUND;
  if (!io->array || io->count < there) { io->count = there; return TOO_SMALL; }
  for (int i = 0, n = 0; i < vgpu_count; i++) if (vgpus[i].device == number_of(d) && vgpus[i].stamp > io->since)
    io->array[n++] = (info_t){ vgpus[i].stamp, vgpus[i].id, { .u = vgpus[i].busy }, { .u = 10 }, { .u = 0 }, { .u = 0 },
                               { .u = 7 }, { .u = 8 } };
  return OK;
}
#endif
