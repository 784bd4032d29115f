/*
 * The board's side of the ecg-edge serial protocol, version 1 (docs/serial-protocol.md). C99, no heap, no I/O.
 *
 * Sending: fill a frame with one of the eb_*() functions below, then put `buf` with the returned length on the UART:
 *
 *     static eb_frame frame;                                   // 252 bytes, the only big thing here
 *     eb_samples_begin(&frame, stream, 1, 2, counter, now_us); // one lead, two bytes a count
 *     for (i = 0; i < n; i++) eb_count(&frame, 2, counts[i]);
 *     uart_send(frame.buf, eb_end(&frame));
 *
 * Receiving: give every byte to eb_receive(); when it returns true, a command is there.
 */
#ifndef ECG_BRIDGE_H
#define ECG_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EB_VERSION 1

#define EB_CRC_BYTES 4
#define EB_MAX_BODY 250                 /* type, payload and CRC; fits one COBS block */
#define EB_MAX_FRAME (EB_MAX_BODY + 2)  /* COBS byte before, zero after */

/* Longest body a receiver takes in. Commands have 9 bytes at most; a host that wants everything defines it as 250. */
#ifndef EB_RX_BODY
#define EB_RX_BODY 16
#endif

#define EB_NO_VALUE_16 (-32767 - 1)
#define EB_NO_VALUE_24 (-8388607L - 1)

#define EB_LEAD_OFF_REFERENCE 0x80000000UL
#define EB_BATTERY_UNKNOWN 255

enum {
    EB_HELLO = 0x01,
    EB_STATUS = 0x02,
    EB_PONG = 0x03,
    EB_ACK = 0x04,
    EB_SAMPLES_16 = 0x10,
    EB_SAMPLES_24 = 0x11,
    EB_START = 0x81,
    EB_STOP = 0x82,
    EB_SET_RATE = 0x83,
    EB_IDENTIFY = 0x84,
    EB_PING = 0x85
};

enum { EB_OK = 0, EB_UNKNOWN = 1, EB_REFUSED = 2 };

/* ---- sending ---- */

typedef struct {
    uint8_t buf[EB_MAX_FRAME];
    uint8_t len;   /* bytes in use, the COBS byte at buf[0] included */
    bool overflow; /* more was put in than fits; eb_end() then gives nothing out */
} eb_frame;

typedef struct {
    uint8_t stream;
    uint8_t n_leads;
    uint8_t adc_bits;
    uint8_t width;           /* bytes a count takes: 2 or 3 */
    uint32_t rate_mhz;       /* millihertz */
    const float *uv_per_lsb; /* one per lead */
    const char *device;
    const char *firmware;
    const char *lead_names;  /* separated by commas */
} eb_hello;

typedef struct {
    uint8_t stream;
    uint32_t board_us;
    uint32_t lead_off;  /* bit 2k positive, 2k+1 negative electrode of lead k, bit 31 reference */
    uint16_t saturated; /* bit k: lead k */
    uint8_t battery;    /* per cent, or EB_BATTERY_UNKNOWN */
    uint32_t dropped;   /* samples not sent since the stream began */
} eb_status;

/* Each fills the frame and returns how many bytes of frame->buf to send; 0 if it did not fit. */
uint8_t eb_send_hello(eb_frame *frame, const eb_hello *hello);
uint8_t eb_send_status(eb_frame *frame, const eb_status *status);
uint8_t eb_send_pong(eb_frame *frame, uint32_t token, uint32_t board_us);
uint8_t eb_send_ack(eb_frame *frame, uint8_t command, uint8_t result, uint32_t value);

/* A block of samples: begin, then n_leads counts a sample, then eb_end(). `width` is 2 or 3. */
void eb_samples_begin(eb_frame *frame, uint8_t stream, uint8_t n_leads, uint8_t width, uint32_t counter,
                      uint32_t board_us);
void eb_count(eb_frame *frame, uint8_t width, int32_t count);

/* For any other frame: begin with its type, put its fields, end. */
void eb_begin(eb_frame *frame, uint8_t type);
void eb_put_u8(eb_frame *frame, uint8_t value);
void eb_put_u16(eb_frame *frame, uint16_t value);
void eb_put_u32(eb_frame *frame, uint32_t value);
void eb_put_f32(eb_frame *frame, float value);
void eb_put_text(eb_frame *frame, const char *text);
uint8_t eb_end(eb_frame *frame);

/* ---- receiving ---- */

typedef struct {
    uint8_t body[EB_RX_BODY]; /* after eb_receive() returned true: type, payload, CRC */
    uint8_t len;              /* bytes in body, CRC included */
    uint8_t block;            /* COBS: bytes left until the next zero that was taken out; 0 before the first */
    bool full_block;          /* the COBS block running has 254 bytes: no zero follows it */
    bool broken;              /* nothing good until the next delimiter */
    uint32_t bad;             /* stretches between two delimiters that were no frame */
} eb_receiver;

void eb_receiver_init(eb_receiver *receiver);

/* Take one byte in; true if it completed a sound frame, which stays in `body` until the next call. */
bool eb_receive(eb_receiver *receiver, uint8_t byte);

/* The frame's type, payload length, and numbers in the payload at an offset. */
uint8_t eb_type(const eb_receiver *receiver);
uint8_t eb_payload_len(const eb_receiver *receiver);
uint32_t eb_payload_u32(const eb_receiver *receiver, uint8_t at); /* 0 if the payload is too short */

/* CRC-32 of zlib. Start with 0; feed the result back in to go on. */
uint32_t eb_crc32(uint32_t crc, const uint8_t *data, size_t n);

#ifdef __cplusplus
}
#endif
#endif
