/*
 * Runs the ADS1292R sketch against a converter in software.
 *
 *   ads1292r N MISSED < COMMANDS > WIRE
 *
 * The converter makes N samples: lead 1 counts up from 0, lead 2 down. Samples 100 to 109 have electrode 2N off, 110 the
 * reference; 120 is beyond the converter. During MISSED samples after number 200 loop() is not called. What is on standard
 * input arrives before sample 300.
 */
#include <cstdlib>
#include <cstring>

#include "arduino/Arduino.h"
#include "arduino/SPI.h"

void setup();
void loop();

uint64_t stub_us;
void (*stub_interrupt)(void);
const char *stub_input;
size_t stub_input_len;
StubSerial Serial;
StubSpi SPI;

static uint8_t data[9], at, written[3], registers[16];
static bool continuous;

void stub_select() { at = 0; }

uint8_t stub_transfer(uint8_t out)
{
    uint8_t in = continuous && at < 9 ? data[at] : 0;
    if (at < 3)
        written[at] = out;
    if (at == 0 && (out == 0x10 || out == 0x11))
        continuous = out == 0x10;
    if (at == 2 && (written[0] & 0xe0) == 0x40 && !continuous)
        registers[written[0] & 15] = out;
    at++;
    return in;
}

static void put24(uint8_t *p, long value)
{
    p[0] = (uint8_t)(value >> 16), p[1] = (uint8_t)(value >> 8), p[2] = (uint8_t)value;
}

static void convert(long n)
{
    unsigned off = n >= 100 && n < 110 ? 0x08 : n == 110 ? 0x10 : 0;
    put24(data, 0xc00000 | off << 15);
    put24(data + 3, n == 120 ? 0x7fffff : n);
    put24(data + 6, n == 120 ? -0x800000 : -n);
    stub_interrupt();
}

int main(int argc, char **argv)
{
    static char commands[4096];
    long total = argc > 1 ? atol(argv[1]) : 0, missed = argc > 2 ? atol(argv[2]) : 0;
    size_t n = fread(commands, 1, sizeof commands, stdin);

    setup();
    for (long i = 0; i < total; i++) {
        if (i == 300)
            stub_input = commands, stub_input_len = n;
        stub_us += 1000000 / (125 << (registers[1] & 7));
        convert(i);
        if (i <= 200 || i > 200 + missed)
            loop();
    }
    fprintf(stderr, "%02x %02x %02x\n", registers[1], registers[2], registers[7]);
    return 0;
}
