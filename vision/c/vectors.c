/* Prints what vision/vectors.txt must say: `name hexadecimal`, one a line. With an argument: reads a receipt in hexadecimal and prints it. */
#include "tactus_vision.h"
#include <stdio.h>

static void show(const char *name, const uint8_t *data, size_t length)
{
    printf("%s ", name);
    for (size_t i = 0; i < length; i++)
        printf("%02x", data[i]);
    printf("\n");
}

static int read_receipt(const char *text)
{
    uint8_t data[TACTUS_RECEIPT_LENGTH + 1];
    size_t length = 0;
    unsigned byte;
    for (; length < sizeof data && sscanf(text + 2 * length, "%2x", &byte) == 1; length++)
        data[length] = (uint8_t)byte;
    struct tactus_receipt r;
    if (!tactus_receipt_read(data, length, &r))
        return 1;
    printf("%u %llu %llu %u %u %llu %llu %llu %llu\n", r.stream_id, (unsigned long long)r.sequence, (unsigned long long)r.sent_at, r.reason,
           r.taken, (unsigned long long)r.received_at, (unsigned long long)r.taken_at, (unsigned long long)r.captured_at,
           (unsigned long long)r.uncertainty_ns);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return read_receipt(argv[1]);
    struct tactus_header header = {.stream_id = 0x0102, .config_hash = 0x1122334455667788u, .sequence = 9, .captured_at = 0x0A0B0C0D,
                                   .exposure_ns = 5000000, .quality = 97, .live = 1};
    struct tactus_header frozen = header, own = header, wrong = header;
    frozen.live = 0;
    own.own_clock = 1;
    wrong.quality = 101;
    struct tactus_object objects[2] = {{-1, 2, -3, 4, 300, 60}, {1250, -1500, 0, 0, 350, 25}};
    int32_t values[2] = {-5, 2000000000};
    uint8_t data[TACTUS_OCCUPANCY_LENGTH], key[32], code[TACTUS_MAC_LENGTH];
    show("occupancy", data, tactus_occupancy(data, &header, 7, 2, objects, 2));
    show("zones", data, tactus_zones(data, &frozen, 0xFFFFFFFFu, 1));
    show("inspection", data, tactus_inspection(data, &header, 77, TACTUS_BAD, 990000, values, 2));
    show("clock", data, tactus_clock(data, &own, 1000, 2000));
    for (int i = 0; i < 32; i++)
        key[i] = (uint8_t)i;
    tactus_mac(key, data, tactus_zones(data, &header, 1, 0), code);
    show("mac", code, sizeof code);
    return tactus_zones(data, &wrong, 1, 0) != 0 || tactus_occupancy(data, &header, 0, 0, objects, 17) != 0;
}
