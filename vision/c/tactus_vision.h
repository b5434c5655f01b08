/* The camera side of Tactus in C99, header only: fills the datagrams of docs/vision-channel.md, version 2, and reads receipts.
 *
 *     uint8_t datagram[TACTUS_OCCUPANCY_LENGTH];
 *     struct tactus_header header = {.stream_id = 1, .config_hash = HASH, .sequence = n++, .captured_at = ns, .quality = 90, .live = 1};
 *     size_t length = tactus_occupancy(datagram, &header, 0x7, 0x2, objects, count);
 *     sendto(socket, datagram, length, 0, ...);
 *
 * Nothing here allocates, sends or reads a clock. Functions return the length of the datagram, or 0 when the format cannot hold what was
 * asked; the buffer is then not to be sent. Sequences begin above 0 and above whatever this stream sent before: the wall clock's
 * nanoseconds at start are a good beginning. */
#ifndef TACTUS_VISION_H
#define TACTUS_VISION_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TACTUS_VISION_VERSION 2
#define TACTUS_OCCUPANCY_LENGTH 436
#define TACTUS_ZONES_LENGTH 52
#define TACTUS_INSPECTION_LENGTH 92
#define TACTUS_RECEIPT_LENGTH 76
#define TACTUS_CLOCK_LENGTH 60
#define TACTUS_MAC_LENGTH 32
#define TACTUS_OBJECTS_MAX 16
#define TACTUS_VALUES_MAX 8

enum tactus_verdict { TACTUS_UNKNOWN = 0, TACTUS_GOOD = 1, TACTUS_BAD = 2 };

/* What every datagram begins with. captured_at: ns of CLOCK_MONOTONIC of Tactus' host, or with own_clock of this one's. */
struct tactus_header {
    uint16_t stream_id;
    uint64_t config_hash;
    uint64_t sequence;
    uint64_t captured_at;
    uint32_t exposure_ns;
    uint8_t quality; /* 0 to 100 */
    uint8_t live;    /* 1: the picture differs from the last as live pictures do */
    uint8_t own_clock;
};

/* Something that is seen: mm and mm/s in cell coordinates. */
struct tactus_object {
    int32_t x, y, vx, vy;
    uint32_t radius, uncertainty;
};

/* What became of a datagram; times are ns of CLOCK_MONOTONIC of Tactus' host. */
struct tactus_receipt {
    uint16_t stream_id;
    uint64_t config_hash, sequence, sent_at;
    uint8_t reason; /* 0: it counts, as far as it is seen at receipt */
    uint8_t taken;  /* 1: the loop took it at taken_at */
    uint64_t received_at, taken_at;
    uint64_t captured_at; /* at the earliest; 0: not known */
    uint64_t uncertainty_ns;
};

static inline void tactus_put(uint8_t *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static inline uint64_t tactus_get(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

/* IEEE 802.3: reflected, 0xEDB88320, init and final xor all ones. */
static inline uint32_t tactus_crc32(const uint8_t *data, size_t length)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < length; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1) ? (crc >> 1) ^ 0xEDB88320u : crc >> 1;
    }
    return ~crc;
}

static inline size_t tactus_seal(uint8_t *datagram, size_t length)
{
    tactus_put(datagram + length - 4, tactus_crc32(datagram, length - 4), 4);
    return length;
}

static inline int tactus_begin(uint8_t *to, size_t length, const struct tactus_header *header, uint8_t kind, uint8_t count)
{
    if (header->quality > 100 || header->sequence == 0)
        return 0;
    memset(to, 0, length);
    memcpy(to, "TVIS", 4);
    to[4] = TACTUS_VISION_VERSION;
    to[5] = kind;
    tactus_put(to + 6, header->stream_id, 2);
    tactus_put(to + 8, header->config_hash, 8);
    tactus_put(to + 16, header->sequence, 8);
    tactus_put(to + 24, header->captured_at, 8);
    tactus_put(to + 32, header->exposure_ns, 4);
    to[36] = header->quality;
    to[37] = header->live ? 1 : 0;
    to[38] = count;
    to[39] = header->own_clock ? 1 : 0;
    return 1;
}

/* Kind 1 into TACTUS_OCCUPANCY_LENGTH bytes. */
static inline size_t tactus_occupancy(uint8_t *to, const struct tactus_header *header, uint32_t evaluated, uint32_t occupied,
                                      const struct tactus_object *objects, size_t count)
{
    if (count > TACTUS_OBJECTS_MAX || !tactus_begin(to, TACTUS_OCCUPANCY_LENGTH, header, 1, (uint8_t)count))
        return 0;
    tactus_put(to + 40, evaluated, 4);
    tactus_put(to + 44, occupied, 4);
    for (size_t i = 0; i < count; i++) {
        uint8_t *at = to + 48 + 24 * i;
        tactus_put(at, (uint32_t)objects[i].x, 4);
        tactus_put(at + 4, (uint32_t)objects[i].y, 4);
        tactus_put(at + 8, (uint32_t)objects[i].vx, 4);
        tactus_put(at + 12, (uint32_t)objects[i].vy, 4);
        tactus_put(at + 16, objects[i].radius, 4);
        tactus_put(at + 20, objects[i].uncertainty, 4);
    }
    return tactus_seal(to, TACTUS_OCCUPANCY_LENGTH);
}

/* Kind 2 into TACTUS_ZONES_LENGTH bytes. */
static inline size_t tactus_zones(uint8_t *to, const struct tactus_header *header, uint32_t evaluated, uint32_t occupied)
{
    if (!tactus_begin(to, TACTUS_ZONES_LENGTH, header, 2, 0))
        return 0;
    tactus_put(to + 40, evaluated, 4);
    tactus_put(to + 44, occupied, 4);
    return tactus_seal(to, TACTUS_ZONES_LENGTH);
}

/* Kind 3 into TACTUS_INSPECTION_LENGTH bytes. score: how sure of the verdict, millionths. */
static inline size_t tactus_inspection(uint8_t *to, const struct tactus_header *header, uint64_t trigger, enum tactus_verdict verdict,
                                       uint32_t score, const int32_t *values, size_t count)
{
    if (count > TACTUS_VALUES_MAX || score > 1000000u || (int)verdict < 0 || (int)verdict > 2 ||
        !tactus_begin(to, TACTUS_INSPECTION_LENGTH, header, 3, 0))
        return 0;
    tactus_put(to + 40, trigger, 8);
    to[48] = (uint8_t)verdict;
    to[49] = (uint8_t)count;
    tactus_put(to + 52, score, 4);
    for (size_t i = 0; i < count; i++)
        tactus_put(to + 56 + 4 * i, (uint32_t)values[i], 4);
    return tactus_seal(to, TACTUS_INSPECTION_LENGTH);
}

/* Kind 5 into TACTUS_CLOCK_LENGTH bytes: captured_at is when this is sent. Asks with echo 0; answers with echo = sent_at of the receipt and
 * arrived = when that receipt came here. */
static inline size_t tactus_clock(uint8_t *to, const struct tactus_header *header, uint64_t echo, uint64_t arrived)
{
    if (!tactus_begin(to, TACTUS_CLOCK_LENGTH, header, 5, 0))
        return 0;
    tactus_put(to + 40, echo, 8);
    tactus_put(to + 48, arrived, 8);
    return tactus_seal(to, TACTUS_CLOCK_LENGTH);
}

/* 1: it is a receipt, and is in *receipt. */
static inline int tactus_receipt_read(const uint8_t *data, size_t length, struct tactus_receipt *receipt)
{
    if (length != TACTUS_RECEIPT_LENGTH || memcmp(data, "TVIS", 4) != 0 || data[4] != TACTUS_VISION_VERSION || data[5] != 4 ||
        tactus_get(data + 72, 4) != tactus_crc32(data, 72))
        return 0;
    receipt->stream_id = (uint16_t)tactus_get(data + 6, 2);
    receipt->config_hash = tactus_get(data + 8, 8);
    receipt->sequence = tactus_get(data + 16, 8);
    receipt->sent_at = tactus_get(data + 24, 8);
    receipt->reason = data[37];
    receipt->taken = data[38] == 2;
    receipt->received_at = tactus_get(data + 40, 8);
    receipt->taken_at = tactus_get(data + 48, 8);
    receipt->captured_at = tactus_get(data + 56, 8);
    receipt->uncertainty_ns = tactus_get(data + 64, 8);
    return 1;
}

/* SHA-256 (FIPS 180-4), for the code of a key. */
struct tactus_sha256 {
    uint32_t state[8];
    uint8_t block[64];
    size_t filled;
    uint64_t length;
};

static inline uint32_t tactus_rotate(uint32_t value, int by)
{
    return (value >> by) | (value << (32 - by));
}

static inline void tactus_sha256_block(struct tactus_sha256 *sha)
{
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
        0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
        0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
        0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
        0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
        0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)sha->block[4 * i] << 24 | (uint32_t)sha->block[4 * i + 1] << 16 | (uint32_t)sha->block[4 * i + 2] << 8 |
               sha->block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = tactus_rotate(w[i - 15], 7) ^ tactus_rotate(w[i - 15], 18) ^ (w[i - 15] >> 3);
        uint32_t b = tactus_rotate(w[i - 2], 17) ^ tactus_rotate(w[i - 2], 19) ^ (w[i - 2] >> 10);
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    memcpy(s, sha->state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t e = tactus_rotate(s[4], 6) ^ tactus_rotate(s[4], 11) ^ tactus_rotate(s[4], 25);
        uint32_t t1 = s[7] + e + ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[i] + w[i];
        uint32_t a = tactus_rotate(s[0], 2) ^ tactus_rotate(s[0], 13) ^ tactus_rotate(s[0], 22);
        uint32_t t2 = a + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        s[7] = s[6], s[6] = s[5], s[5] = s[4], s[4] = s[3] + t1, s[3] = s[2], s[2] = s[1], s[1] = s[0], s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        sha->state[i] += s[i];
    sha->filled = 0;
}

static inline void tactus_sha256_add(struct tactus_sha256 *sha, const uint8_t *data, size_t length)
{
    sha->length += length;
    for (size_t i = 0; i < length; i++) {
        sha->block[sha->filled++] = data[i];
        if (sha->filled == 64)
            tactus_sha256_block(sha);
    }
}

static inline void tactus_sha256_begin(struct tactus_sha256 *sha)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memset(sha, 0, sizeof *sha);
    memcpy(sha->state, start, sizeof start);
}

static inline void tactus_sha256_end(struct tactus_sha256 *sha, uint8_t out[32])
{
    static const uint8_t zero = 0, one = 0x80;
    uint64_t bits = sha->length * 8;
    uint8_t length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    tactus_sha256_add(sha, &one, 1);
    while (sha->filled != 56)
        tactus_sha256_add(sha, &zero, 1);
    tactus_sha256_add(sha, length, 8);
    for (int i = 0; i < 32; i++)
        out[i] = (uint8_t)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
}

/* HMAC-SHA-256 with a key of 32 bytes: to be appended to each datagram of a stream with a key. */
static inline void tactus_mac(const uint8_t key[32], const uint8_t *data, size_t length, uint8_t out[TACTUS_MAC_LENGTH])
{
    struct tactus_sha256 sha;
    uint8_t pad[64];
    memset(pad, 0x36, sizeof pad);
    for (int i = 0; i < 32; i++)
        pad[i] ^= key[i];
    tactus_sha256_begin(&sha);
    tactus_sha256_add(&sha, pad, 64);
    tactus_sha256_add(&sha, data, length);
    tactus_sha256_end(&sha, out);
    memset(pad, 0x5C, sizeof pad);
    for (int i = 0; i < 32; i++)
        pad[i] ^= key[i];
    tactus_sha256_begin(&sha);
    tactus_sha256_add(&sha, pad, 64);
    tactus_sha256_add(&sha, out, 32);
    tactus_sha256_end(&sha, out);
}

#endif
