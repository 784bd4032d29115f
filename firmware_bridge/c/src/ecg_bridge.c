#include "ecg_bridge.h"

#include <string.h>

/* One nibble at a time: 64 bytes of table instead of 1,024, and still fast enough for an 8-bit board. */
#ifdef __AVR__
#include <avr/pgmspace.h>
#define CRC_NIBBLE(i) pgm_read_dword(&crc_nibble[i])
#else
#define PROGMEM
#define CRC_NIBBLE(i) crc_nibble[i]
#endif

static const uint32_t crc_nibble[16] PROGMEM = {
    0x00000000UL, 0x1db71064UL, 0x3b6e20c8UL, 0x26d930acUL, 0x76dc4190UL, 0x6b6b51f4UL, 0x4db26158UL, 0x5005713cUL,
    0xedb88320UL, 0xf00f9344UL, 0xd6d6a3e8UL, 0xcb61b38cUL, 0x9b64c2b0UL, 0x86d3d2d4UL, 0xa00ae278UL, 0xbdbdf21cUL,
};

/* CRC-32 of anything followed by its own CRC-32. */
#define CRC_RESIDUE 0x2144df1cUL

uint32_t eb_crc32(uint32_t crc, const uint8_t *data, size_t n)
{
    crc = ~crc;
    while (n--) {
        crc ^= *data++;
        crc = (crc >> 4) ^ CRC_NIBBLE(crc & 15);
        crc = (crc >> 4) ^ CRC_NIBBLE(crc & 15);
    }
    return ~crc;
}

/* ---- sending ---- */

/* The body is written from buf[1] on, so that COBS can be done in place: it only puts one byte before. */

void eb_begin(eb_frame *frame, uint8_t type)
{
    frame->len = 1;
    frame->overflow = false;
    eb_put_u8(frame, type);
}

void eb_put_u8(eb_frame *frame, uint8_t value)
{
    if (frame->len > EB_MAX_BODY - EB_CRC_BYTES) {
        frame->overflow = true;
        return;
    }
    frame->buf[frame->len++] = value;
}

void eb_put_u16(eb_frame *frame, uint16_t value)
{
    eb_put_u8(frame, (uint8_t)value);
    eb_put_u8(frame, (uint8_t)(value >> 8));
}

void eb_put_u32(eb_frame *frame, uint32_t value)
{
    eb_put_u16(frame, (uint16_t)value);
    eb_put_u16(frame, (uint16_t)(value >> 16));
}

void eb_put_f32(eb_frame *frame, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits); /* IEEE 754 single, on AVR too */
    eb_put_u32(frame, bits);
}

void eb_put_text(eb_frame *frame, const char *text)
{
    size_t n = strlen(text);
    if (n > 255)
        n = 255;
    eb_put_u8(frame, (uint8_t)n);
    while (n--)
        eb_put_u8(frame, (uint8_t)*text++);
}

uint8_t eb_end(eb_frame *frame)
{
    uint8_t i, distance = 1, at = 0;
    uint32_t crc;

    if (frame->overflow)
        return 0;
    crc = eb_crc32(0, frame->buf + 1, (size_t)(frame->len - 1));
    for (i = 0; i < EB_CRC_BYTES; i++)
        frame->buf[frame->len++] = (uint8_t)(crc >> (8 * i));
    /* COBS: each zero is replaced by the distance to the next one, the first of them standing before the body. */
    for (i = 1; i < frame->len; i++) {
        if (frame->buf[i] == 0) {
            frame->buf[at] = distance;
            at = i;
            distance = 0;
        }
        distance++;
    }
    frame->buf[at] = distance;
    frame->buf[frame->len++] = 0;
    return frame->len;
}

uint8_t eb_send_hello(eb_frame *frame, const eb_hello *hello)
{
    uint8_t i;
    eb_begin(frame, EB_HELLO);
    eb_put_u8(frame, EB_VERSION);
    eb_put_u8(frame, hello->stream);
    eb_put_u8(frame, hello->n_leads);
    eb_put_u8(frame, hello->adc_bits);
    eb_put_u8(frame, hello->width);
    eb_put_u32(frame, hello->rate_mhz);
    for (i = 0; i < hello->n_leads; i++)
        eb_put_f32(frame, hello->uv_per_lsb[i]);
    eb_put_text(frame, hello->device);
    eb_put_text(frame, hello->firmware);
    eb_put_text(frame, hello->lead_names);
    return eb_end(frame);
}

uint8_t eb_send_status(eb_frame *frame, const eb_status *status)
{
    eb_begin(frame, EB_STATUS);
    eb_put_u8(frame, status->stream);
    eb_put_u32(frame, status->board_us);
    eb_put_u32(frame, status->lead_off);
    eb_put_u16(frame, status->saturated);
    eb_put_u8(frame, status->battery);
    eb_put_u32(frame, status->dropped);
    return eb_end(frame);
}

uint8_t eb_send_pong(eb_frame *frame, uint32_t token, uint32_t board_us)
{
    eb_begin(frame, EB_PONG);
    eb_put_u32(frame, token);
    eb_put_u32(frame, board_us);
    return eb_end(frame);
}

uint8_t eb_send_ack(eb_frame *frame, uint8_t command, uint8_t result, uint32_t value)
{
    eb_begin(frame, EB_ACK);
    eb_put_u8(frame, command);
    eb_put_u8(frame, result);
    eb_put_u32(frame, value);
    return eb_end(frame);
}

void eb_samples_begin(eb_frame *frame, uint8_t stream, uint8_t n_leads, uint8_t width, uint32_t counter,
                      uint32_t board_us)
{
    eb_begin(frame, width == 2 ? EB_SAMPLES_16 : EB_SAMPLES_24);
    eb_put_u8(frame, stream);
    eb_put_u8(frame, n_leads);
    eb_put_u32(frame, counter);
    eb_put_u32(frame, board_us);
}

void eb_count(eb_frame *frame, uint8_t width, int32_t count)
{
    eb_put_u16(frame, (uint16_t)count);
    if (width == 3)
        eb_put_u8(frame, (uint8_t)((uint32_t)count >> 16));
}

/* ---- receiving ---- */

static void start_anew(eb_receiver *receiver)
{
    receiver->len = 0;
    receiver->block = 0;
    receiver->full_block = true; /* no zero stands before the first block */
    receiver->broken = false;
}

void eb_receiver_init(eb_receiver *receiver)
{
    receiver->bad = 0;
    start_anew(receiver);
}

static void keep(eb_receiver *receiver, uint8_t byte)
{
    if (receiver->len >= EB_RX_BODY)
        receiver->broken = true;
    else
        receiver->body[receiver->len++] = byte;
}

static bool complete(eb_receiver *receiver)
{
    return !receiver->broken && receiver->block == 0 && receiver->len > EB_CRC_BYTES &&
           eb_crc32(0, receiver->body, receiver->len) == CRC_RESIDUE;
}

/*
 * `body` and `len` of a complete frame stay as they are until the next byte, which finds `block` at BETWEEN.
 */
#define BETWEEN 255

bool eb_receive(eb_receiver *receiver, uint8_t byte)
{
    if (byte == 0) {
        bool idle = receiver->block == BETWEEN || (receiver->len == 0 && receiver->block == 0 && !receiver->broken);
        bool sound = !idle && complete(receiver);
        if (!idle && !sound)
            receiver->bad++;
        receiver->block = BETWEEN;
        return sound;
    }
    if (receiver->block == BETWEEN)
        start_anew(receiver);
    if (receiver->broken)
        return false;
    if (receiver->block == 0) {
        /* A COBS byte: it says how far the next zero is, and there was one where the last block ended. */
        if (!receiver->full_block)
            keep(receiver, 0);
        receiver->block = (uint8_t)(byte - 1);
        receiver->full_block = byte == 255;
    } else {
        keep(receiver, byte);
        receiver->block--;
    }
    return false;
}

uint8_t eb_type(const eb_receiver *receiver)
{
    return receiver->body[0];
}

uint8_t eb_payload_len(const eb_receiver *receiver)
{
    return (uint8_t)(receiver->len - 1 - EB_CRC_BYTES);
}

uint32_t eb_payload_u32(const eb_receiver *receiver, uint8_t at)
{
    uint32_t value = 0;
    uint8_t i;
    if (at + 4 > eb_payload_len(receiver))
        return 0;
    for (i = 4; i-- > 0;)
        value = value << 8 | receiver->body[1 + at + i];
    return value;
}
