/*
 * ADS1292R on an ESP32 or RP2040: two leads, 24 bits, 125 to 1,000 Hz, lead-off of every electrode, 115,200 baud.
 *
 *   ADS1292R      ESP32   RP2040 (Pico)
 *   DVDD, AVDD    3V3     3V3
 *   GND           GND     GND
 *   SCLK          18      GP18
 *   MISO (DOUT)   19      GP16
 *   MOSI (DIN)    23      GP19
 *   CS            5       GP17
 *   DRDY          4       GP20
 *   START         16      GP21
 *   PWDN/RESET    17      GP22
 *
 * The converter's own data-ready pulses count the samples: one that loop() was too late for is missing from the counter,
 * and so the host knows of it. Uses the Arduino core only; it is compiled, and run against a converter in software, in the
 * project's tests.
 */
#include <Arduino.h>
#include <SPI.h>

#include <ecg_bridge.h>

/* ---- what may be changed ---- */

#define DEVICE_ID "ads1292r-1"
#define LEAD_NAMES "I,II"
#define RATE_HZ 250

#if defined(ARDUINO_ARCH_RP2040)
#define PIN_CS 17
#define PIN_DRDY 20
#define PIN_START 21
#define PIN_RESET 22
#else
#define PIN_CS 5
#define PIN_DRDY 4
#define PIN_START 16
#define PIN_RESET 17
#endif

/* ---- */

#define N_LEADS 2
#define WIDTH 3
#define BLOCK_MAX 32 /* 32 samples of two leads of three bytes fill 192 of the frame's 235 */

/* 2.42 V over a gain of 6 over 2^23 counts, in µV. */
static const float uv_per_lsb[N_LEADS] = {2420000.0f / 6.0f / 8388608.0f, 2420000.0f / 6.0f / 8388608.0f};

/* ADS1292R datasheet (SBAS502), tables 13 to 16. */
enum { START = 0x08, STOP = 0x0a, RESET = 0x06, RDATAC = 0x10, SDATAC = 0x11, RREG = 0x20, WREG = 0x40 };
enum { ID, CONFIG1, CONFIG2, LOFF, CH1SET, CH2SET, RLD_SENS, LOFF_SENS, LOFF_STAT, RESP1, RESP2 };

#ifndef IRAM_ATTR
#define IRAM_ATTR
#endif

static volatile uint32_t drdy_count; /* samples the converter has made */
static volatile uint32_t drdy_us;    /* when it made the latest one */

static const SPISettings spi(1000000, MSBFIRST, SPI_MODE1);

static eb_frame frame;
static eb_receiver receiver;

static uint8_t stream;
static uint16_t rate_hz;
static uint8_t block;          /* samples a block: about 40 ms */
static uint32_t seen;          /* value of drdy_count that was read last */
static uint32_t first_drdy;    /* value of drdy_count before the stream's sample 0 */
static uint32_t dropped;
static uint16_t saturated;
static uint32_t lead_off, said_off;
static uint32_t second_ms;
static bool running = true;

static int32_t counts[BLOCK_MAX][N_LEADS];
static uint8_t n_counts;
static uint32_t block_counter, block_us; /* of the first one in it */

static void IRAM_ATTR on_data_ready(void)
{
    drdy_count = drdy_count + 1;
    drdy_us = micros();
}

static void command(uint8_t byte)
{
    SPI.beginTransaction(spi);
    digitalWrite(PIN_CS, LOW);
    SPI.transfer(byte);
    digitalWrite(PIN_CS, HIGH);
    SPI.endTransaction();
    delayMicroseconds(20);
}

static void write_register(uint8_t address, uint8_t value)
{
    SPI.beginTransaction(spi);
    digitalWrite(PIN_CS, LOW);
    SPI.transfer((uint8_t)(WREG | address));
    SPI.transfer(0); /* one register */
    SPI.transfer(value);
    digitalWrite(PIN_CS, HIGH);
    SPI.endTransaction();
    delayMicroseconds(20);
}

static void send(uint8_t len)
{
    Serial.write(frame.buf, len);
}

static void send_hello(void)
{
    eb_hello hello;
    hello.stream = stream;
    hello.n_leads = N_LEADS;
    hello.adc_bits = 24;
    hello.width = WIDTH;
    hello.rate_mhz = rate_hz * 1000UL;
    hello.uv_per_lsb = uv_per_lsb;
    hello.device = DEVICE_ID;
    hello.firmware = "ads1292r_esp32 1.0";
    hello.lead_names = LEAD_NAMES;
    send(eb_send_hello(&frame, &hello));
}

static void send_status(void)
{
    eb_status status;
    status.stream = stream;
    status.board_us = micros();
    status.lead_off = said_off = lead_off;
    status.saturated = saturated;
    status.battery = EB_BATTERY_UNKNOWN;
    status.dropped = dropped;
    saturated = 0;
    send(eb_send_status(&frame, &status));
}

static void send_block(void)
{
    uint8_t i, lead;
    if (n_counts == 0)
        return;
    eb_samples_begin(&frame, stream, N_LEADS, WIDTH, block_counter, block_us);
    for (i = 0; i < n_counts; i++)
        for (lead = 0; lead < N_LEADS; lead++)
            eb_count(&frame, WIDTH, counts[i][lead]);
    n_counts = 0;
    send(eb_end(&frame));
}

/* Set the converter up and begin a stream of another number. */
static bool begin_stream(uint32_t rate)
{
    uint8_t code = 0;
    while (code < 4 && (125UL << code) != rate)
        code++;
    if (code == 4)
        return false;
    command(SDATAC);
    write_register(CONFIG1, code);
    write_register(CONFIG2, 0xe0);   /* lead-off comparators and reference on, 2.42 V */
    write_register(LOFF, 0x10);      /* direct current of 6 nA, 95 % threshold */
    write_register(CH1SET, 0x00);    /* gain 6, electrodes */
    write_register(CH2SET, 0x00);
    write_register(RLD_SENS, 0x2c);  /* right leg driven from channel 2 */
    write_register(LOFF_SENS, 0x0f); /* all four electrodes */
    write_register(RESP1, 0x02);     /* respiration off; the bit must be set */
    write_register(RESP2, 0x03);     /* reference of the right leg inside */
    rate_hz = (uint16_t)rate;
    block = (uint8_t)(rate / 25 < BLOCK_MAX ? rate / 25 : BLOCK_MAX);
    stream++;
    n_counts = 0;
    dropped = 0;
    command(RDATAC);
    digitalWrite(PIN_START, HIGH);
    noInterrupts();
    first_drdy = seen = drdy_count;
    interrupts();
    send_hello();
    return true;
}

static void read_sample(uint32_t number, uint32_t us)
{
    uint8_t raw[9], lead;
    uint32_t off;

    SPI.beginTransaction(spi);
    digitalWrite(PIN_CS, LOW);
    for (uint8_t i = 0; i < sizeof raw; i++)
        raw[i] = SPI.transfer(0);
    digitalWrite(PIN_CS, HIGH);
    SPI.endTransaction();

    /* 1100, reference, 2N, 2P, 1N, 1P: the last four are the protocol's bits 3 to 0. */
    off = (raw[0] & 0x07) << 1 | raw[1] >> 7;
    lead_off = off | (raw[0] & 0x08 ? EB_LEAD_OFF_REFERENCE : 0);
    if (n_counts == 0) {
        block_counter = number;
        block_us = us;
    }
    for (lead = 0; lead < N_LEADS; lead++) {
        const uint8_t *p = raw + 3 + 3 * lead;
        int32_t count = (int32_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8) >> 8;
        bool is_off = (lead_off & EB_LEAD_OFF_REFERENCE) || (off >> (2 * lead) & 3);
        if (!is_off && (count >= 8388607L || count <= EB_NO_VALUE_24)) {
            saturated |= (uint16_t)(1 << lead);
            count = count > 0 ? 8388607L : EB_NO_VALUE_24 + 1;
        }
        counts[n_counts][lead] = is_off ? EB_NO_VALUE_24 : count;
    }
    n_counts++;
}

static void take_in_samples(void)
{
    uint32_t count, us;
    noInterrupts();
    count = drdy_count;
    us = drdy_us;
    interrupts();
    if (count == seen)
        return;
    if (!running) {
        seen = count;
        return;
    }
    if (count - seen > 1) {
        /* loop() was late: these are gone, and a block must not reach over them. */
        dropped += count - seen - 1;
        send_block();
    }
    seen = count;
    read_sample(count - first_drdy - 1, us);
    if (n_counts >= block)
        send_block();
}

static void acknowledge(uint8_t result, uint32_t value)
{
    send(eb_send_ack(&frame, eb_type(&receiver), result, value));
}

static void obey(void)
{
    uint32_t rate_mhz;
    switch (eb_type(&receiver)) {
    case EB_PING:
        send(eb_send_pong(&frame, eb_payload_u32(&receiver, 0), micros()));
        break;
    case EB_IDENTIFY:
        acknowledge(EB_OK, 0);
        send_hello();
        send_status();
        break;
    case EB_START:
        acknowledge(EB_OK, 0);
        if (!running) {
            running = true;
            begin_stream(rate_hz);
        }
        break;
    case EB_STOP:
        running = false;
        n_counts = 0;
        acknowledge(EB_OK, 0);
        break;
    case EB_SET_RATE:
        rate_mhz = eb_payload_u32(&receiver, 0);
        if (rate_mhz % 1000 == 0 && begin_stream(rate_mhz / 1000))
            acknowledge(EB_OK, rate_mhz);
        else
            acknowledge(EB_REFUSED, rate_hz * 1000UL);
        break;
    default:
        acknowledge(EB_UNKNOWN, 0);
    }
}

void setup(void)
{
#if defined(ESP32)
    stream = (uint8_t)esp_random();
#elif defined(ARDUINO_ARCH_RP2040)
    stream = (uint8_t)rp2040.hwrand32();
#else
    stream = (uint8_t)micros();
#endif
    eb_receiver_init(&receiver);
    Serial.begin(115200);

    pinMode(PIN_CS, OUTPUT);
    pinMode(PIN_START, OUTPUT);
    pinMode(PIN_RESET, OUTPUT);
    pinMode(PIN_DRDY, INPUT);
    digitalWrite(PIN_CS, HIGH);
    digitalWrite(PIN_START, LOW);
    SPI.begin();
    /* Power-up and reset as the datasheet asks: a second for the reference, then a pulse. */
    digitalWrite(PIN_RESET, HIGH);
    delay(1000);
    digitalWrite(PIN_RESET, LOW);
    delay(1);
    digitalWrite(PIN_RESET, HIGH);
    delay(100);
    attachInterrupt(digitalPinToInterrupt(PIN_DRDY), on_data_ready, FALLING);
    begin_stream(RATE_HZ);
}

void loop(void)
{
    take_in_samples();
    while (Serial.available() > 0)
        if (eb_receive(&receiver, (uint8_t)Serial.read()))
            obey();
    if (millis() - second_ms >= 1000) {
        second_ms += 1000;
        send_hello();
        send_status();
    } else if (lead_off != said_off) {
        send_status();
    }
}
