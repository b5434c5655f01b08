/* Brings a segment to Op with SOEM and measures its exchange: `soem-exchange IFACE CYCLES PACE_NS WARM`.
 *
 * The protocol of all partners of `compare`: `begin` and `end` on stderr around the cycles that are measured, then one line of
 * JSON on stdout. PACE_NS 0: back to back. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "ethercat.h"

#define REPLY_US 20000
#define OP_CYCLES_MAX 2000

static char io_map[8192];
static uint64_t allocations;

static ecx_portt port;
static ec_slavet slaves[EC_MAXSLAVE];
static int slave_count;
static ec_groupt groups[EC_MAXGROUP];
static uint8 esi_buffer[EC_MAXEEPBUF];
static uint32 esi_map[EC_MAXEEPBITMAP];
static ec_eringt errors;
static ec_idxstackT indices;
static boolean has_error;
static int64 dc_time;
static ec_SMcommtypet kinds[EC_MAX_MAPT];
static ec_PDOassignt assigns[EC_MAX_MAPT];
static ec_PDOdesct pdos[EC_MAX_MAPT];
static ec_eepromSMt eeprom_sm;
static ec_eepromFMMUt eeprom_fmmu;
static ecx_contextt context = {
    .port = &port,           .slavelist = slaves,    .slavecount = &slave_count,
    .maxslave = EC_MAXSLAVE, .grouplist = groups,    .maxgroup = EC_MAXGROUP,
    .esibuf = esi_buffer,    .esimap = esi_map,      .elist = &errors,
    .idxstack = &indices,    .ecaterror = &has_error, .DCtime = &dc_time,
    .SMcommtype = kinds,     .PDOassign = assigns,   .PDOdesc = pdos,
    .eepSM = &eeprom_sm,     .eepFMMU = &eeprom_fmmu,
};

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);

/* The linker sends SOEM's calls here (--wrap). */
void *__wrap_malloc(size_t size) {
  allocations++;
  return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
  allocations++;
  return __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size) {
  allocations++;
  return __real_realloc(block, size);
}

static uint64_t clock_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int exchange(void) {
  ecx_send_processdata(&context);
  return ecx_receive_processdata(&context, REPLY_US);
}

static int to_op(void) {
  ecx_statecheck(&context, 0, EC_STATE_SAFE_OP, EC_TIMEOUTSTATE * 4);
  exchange();
  slaves[0].state = EC_STATE_OPERATIONAL;
  ecx_writestate(&context, 0);
  for (int cycle = 0; cycle < OP_CYCLES_MAX; cycle++) {
    exchange();
    if (cycle % 10 == 0 && ecx_statecheck(&context, 0, EC_STATE_OPERATIONAL, 500) == EC_STATE_OPERATIONAL)
      return 1;
    usleep(200);
  }
  return 0;
}

/* Bytes and frames sent on `interface` so far. */
static void sent(const char *interface, uint64_t *bytes, uint64_t *frames) {
  char line[512];
  size_t length = strlen(interface);
  FILE *file = fopen("/proc/net/dev", "r");
  while (file && fgets(line, sizeof line, file)) {
    char *name = line + strspn(line, " ");
    if (!strncmp(name, interface, length) && name[length] == ':')
      sscanf(name + length + 1, "%*u %*u %*u %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, bytes, frames);
  }
  if (file) fclose(file);
}

static void mark(const char *what, size_t length) {
  if (write(2, what, length) < 0) exit(1);
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: soem-exchange IFACE CYCLES PACE_NS WARM\n");
    return 2;
  }
  long cycles = atol(argv[2]), pace = atol(argv[3]), warm = atol(argv[4]);
  uint32_t *times = malloc((size_t)cycles * sizeof *times);
  if (!times || !ecx_init(&context, argv[1]) || ecx_config_init(&context, FALSE) <= 0) {
    fprintf(stderr, "no device answers on %s\n", argv[1]);
    return 1;
  }
  ecx_config_map_group(&context, io_map, 0);
  if (!to_op()) {
    fprintf(stderr, "not in Op: state 0x%x\n", slaves[0].state);
    return 1;
  }
  int expected = groups[0].outputsWKC * 2 + groups[0].inputsWKC;
  long wrong = 0;
  struct rusage before = {0}, after = {0};
  uint64_t bytes = 0, frames = 0, bytes_before = 0, frames_before = 0;
  uint64_t cpu = 0, counted = 0, next = clock_ns(CLOCK_MONOTONIC);
  for (long cycle = -warm; cycle < cycles; cycle++) {
    if (cycle == 0) {
      mark("begin\n", 6);
      sent(argv[1], &bytes_before, &frames_before);
      counted = allocations;
      getrusage(RUSAGE_SELF, &before);
      cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
      next = clock_ns(CLOCK_MONOTONIC);
    }
    if (pace) {
      next += (uint64_t)pace;
      struct timespec wake = {(time_t)(next / 1000000000u), (long)(next % 1000000000u)};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL);
    }
    uint64_t began = clock_ns(CLOCK_MONOTONIC);
    int counter = exchange();
    uint64_t took = clock_ns(CLOCK_MONOTONIC) - began;
    if (cycle >= 0) {
      times[cycle] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
      wrong += counter != expected;
    }
    if (pace && began + took > next + (uint64_t)pace) next = began + took;
  }
  cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  getrusage(RUSAGE_SELF, &after);
  counted = allocations - counted;
  sent(argv[1], &bytes, &frames);
  mark("end\n", 4);
  printf("{\"wrong\":%ld,\"cpu_ns\":%" PRIu64 ",\"allocations\":%" PRIu64 ",\"switches_voluntary\":%ld,"
         "\"switches_involuntary\":%ld,\"sent_bytes\":%" PRIu64 ",\"sent_frames\":%" PRIu64 ",\"round_trips_ns\":[",
         wrong, cpu, counted, after.ru_nvcsw - before.ru_nvcsw, after.ru_nivcsw - before.ru_nivcsw,
         bytes - bytes_before, frames - frames_before);
  for (long cycle = 0; cycle < cycles; cycle++) printf("%s%" PRIu32, cycle ? "," : "", times[cycle]);
  printf("]}\n");
  return 0;
}
