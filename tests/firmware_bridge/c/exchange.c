/*
 * The C library as a filter, for the tests.
 *
 *   exchange golden           the frames of golden/frames.txt that a board sends, as bytes
 *   exchange echo             takes wire bytes in, sends each sound frame's body out again as a frame of its own
 *   exchange count            takes wire bytes in, prints how many sound and how many bad stretches it saw
 */
#include <stdio.h>
#include <string.h>

#include "ecg_bridge.h"

static eb_frame frame;

static void send(uint8_t n)
{
    fwrite(frame.buf, 1, n, stdout);
}

static void golden(void)
{
    static const float nano_gain[] = {4.4375f}, esp_gain[] = {0.048080444335f, 0.048080444335f};
    static const eb_hello nano = {7, 1, 10, 2, 250000, nano_gain, "nano-01", "1.0", "II"};
    static const eb_hello esp = {8, 2, 24, 3, 500000, esp_gain, "esp32-a1", "1.2.3", "I,II"};
    static const int32_t counts16[] = {1, -1, 512, EB_NO_VALUE_16, 0, 256}, counts24[] = {1, -1, 8388607, EB_NO_VALUE_24};
    static const eb_status status = {7, 1000000, EB_LEAD_OFF_REFERENCE | 3, 1, 87, 12};
    int i;

    send(eb_send_hello(&frame, &nano));
    send(eb_send_hello(&frame, &esp));
    eb_samples_begin(&frame, 7, 2, 2, 4294967295UL, 65536);
    for (i = 0; i < 6; i++)
        eb_count(&frame, 2, counts16[i]);
    send(eb_end(&frame));
    eb_samples_begin(&frame, 8, 2, 3, 10, 4000000000UL);
    for (i = 0; i < 4; i++)
        eb_count(&frame, 3, counts24[i]);
    send(eb_end(&frame));
    send(eb_send_status(&frame, &status));
    send(eb_send_pong(&frame, 0xdeadbeefUL, 123456789UL));
    send(eb_send_ack(&frame, EB_SET_RATE, EB_REFUSED, 250000));
    eb_begin(&frame, EB_START);
    send(eb_end(&frame));
    eb_begin(&frame, EB_STOP);
    send(eb_end(&frame));
    eb_begin(&frame, EB_SET_RATE);
    eb_put_u32(&frame, 500000);
    send(eb_end(&frame));
    eb_begin(&frame, EB_IDENTIFY);
    send(eb_end(&frame));
    eb_begin(&frame, EB_PING);
    eb_put_u32(&frame, 0xdeadbeefUL);
    send(eb_end(&frame));
}

static void filter(int echo)
{
    static eb_receiver receiver;
    unsigned long good = 0;
    int byte, i;

    eb_receiver_init(&receiver);
    while ((byte = getchar()) != EOF) {
        if (!eb_receive(&receiver, (uint8_t)byte))
            continue;
        good++;
        if (!echo)
            continue;
        eb_begin(&frame, eb_type(&receiver));
        for (i = 0; i < eb_payload_len(&receiver); i++)
            eb_put_u8(&frame, receiver.body[1 + i]);
        send(eb_end(&frame));
    }
    if (!echo)
        printf("%lu %lu\n", good, (unsigned long)receiver.bad);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (eb_crc32(0, (const uint8_t *)"123456789", 9) != 0xcbf43926UL) {
        fputs("CRC-32 does not give its check value\n", stderr);
        return 1;
    }
    if (!strcmp(what, "golden"))
        golden();
    else
        filter(!strcmp(what, "echo"));
    return 0;
}
