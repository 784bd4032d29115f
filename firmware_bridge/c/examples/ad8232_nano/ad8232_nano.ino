/*
 * AD8232 on an Arduino Nano or Uno (ATmega328P, 16 MHz): one lead, 10 bits, 250 Hz paced by a timer, 115,200 baud.
 *
 *   AD8232    Nano
 *   3.3V      3.3V           OUTPUT swings around half the supply: feed AREF, too, from 3.3V for the full range
 *   GND       GND
 *   OUTPUT    A0
 *   LO+       D10            high when the electrode is off
 *   LO-       D11
 *   SDN       not connected
 *
 * Talks to registers, not to the Arduino core, so that an interrupt and not loop() decides when a sample is taken. It is
 * compiled and run in a simulator in the project's tests. Do not use Serial in it: both would want the UART.
 */
#include <avr/eeprom.h>
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <util/atomic.h>

#include <ecg_bridge.h>

/* ---- what may be changed ---- */

#define DEVICE_ID "nano-1"
#define LEAD_NAME "II"
#define RATE_HZ 250
/* 1 if AREF is wired to 3.3V, 0 if the converter refers to the 5V supply. */
#define EXTERNAL_AREF 0

/* Millivolts of the reference over counts and the AD8232's gain of 1,100, in µV a count. */
static const float uv_per_lsb[1] = {(EXTERNAL_AREF ? 3300.0f : 5000.0f) * 1000.0f / 1024.0f / 1100.0f};

/* ---- */

#define BLOCK 10          /* 40 ms at 250 Hz */
#define RING 64           /* samples kept while the line is busy; a power of two */
#define RX_RING 32
#define TICKS_PER_US 2    /* timer 1 at 16 MHz / 8 */
#define MIDDLE 512
#define STREAM_IN_EEPROM ((uint8_t *)0)
#define LO_PLUS _BV(PB2)
#define LO_MINUS _BV(PB3)

/* Written by interrupts. */
static volatile int16_t ring[RING];
static volatile uint8_t ring_head, ring_tail;
static volatile uint32_t ring_dropped; /* samples not taken in since the ring was full */
static volatile bool ring_dropping;    /* until loop() has emptied it and counted them */
static volatile uint8_t leads_off, saturated;
static volatile uint32_t timer_us; /* time of the last timer tick */
static volatile uint8_t rx_ring[RX_RING], rx_head, rx_tail;
static volatile uint8_t tx_at, tx_len;

static eb_frame frame;
static eb_receiver receiver;

static uint8_t stream;
static uint16_t period_us;
static uint32_t rate_mhz;
static uint32_t stream_us; /* when sample 0 of the stream was taken */
static uint32_t counter;
static uint32_t dropped;
static bool running = true;

/* What is to be said as soon as the line is free. */
static bool hello_due, status_due, pong_due, ack_due;
static uint32_t pong_token, pong_us, ack_value;
static uint8_t ack_command, ack_result;
static uint8_t said_off;
static uint32_t second_us;

ISR(TIMER1_COMPA_vect)
{
    ADCSRA |= _BV(ADSC);
    timer_us += period_us;
}

ISR(ADC_vect)
{
    uint16_t value = ADC;
    uint8_t off = PINB & (LO_PLUS | LO_MINUS);

    leads_off = off;
    if (!running)
        return;
    if (ring_dropping || (uint8_t)(ring_head - ring_tail) >= RING) {
        ring_dropping = true;
        ring_dropped++;
        return;
    }
    if (!off && (value == 0 || value == 1023))
        saturated = 1;
    ring[ring_head++ & (RING - 1)] = off ? EB_NO_VALUE_16 : (int16_t)value - MIDDLE;
}

ISR(USART_RX_vect)
{
    uint8_t byte = UDR0;
    if ((uint8_t)(rx_head - rx_tail) < RX_RING)
        rx_ring[rx_head++ & (RX_RING - 1)] = byte;
}

ISR(USART_UDRE_vect)
{
    UDR0 = frame.buf[tx_at++];
    if (tx_at == tx_len) {
        tx_len = 0;
        UCSR0B &= (uint8_t)~_BV(UDRIE0);
    }
}

static uint32_t now_us(void)
{
    uint32_t us;
    uint16_t ticks;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        ticks = TCNT1;
        us = timer_us;
        /* The timer went round and its interrupt has not been served yet. */
        if ((TIFR1 & _BV(OCF1A)) && ticks < OCR1A / 2)
            us += period_us;
    }
    return us + ticks / TICKS_PER_US;
}

/* Begin sampling anew, as a stream of another number. */
static bool begin_stream(uint32_t mhz)
{
    uint32_t us = mhz ? 1000000000UL / mhz : 0;
    /* Whole microseconds, so that times never drift from the counter; and what timer and line can do. */
    if (us < 2000 || us > 10000 || us * mhz != 1000000000UL)
        return false;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        stream++;
        rate_mhz = mhz;
        period_us = (uint16_t)us;
        OCR1A = (uint16_t)(us * TICKS_PER_US - 1);
        TCNT1 = 0;
        ring_head = ring_tail = 0;
        ring_dropping = false;
        ring_dropped = 0;
        counter = dropped = 0;
        stream_us = timer_us + period_us;
    }
    /* No number comes twice in a row, whatever happens to the power. */
    eeprom_update_byte(STREAM_IN_EEPROM, stream);
    hello_due = true;
    return true;
}

static void send(uint8_t len)
{
    tx_at = 0;
    tx_len = len;
    UCSR0B |= _BV(UDRIE0);
}

static void send_hello(void)
{
    eb_hello hello;
    hello.stream = stream;
    hello.n_leads = 1;
    hello.adc_bits = 10;
    hello.width = 2;
    hello.rate_mhz = rate_mhz;
    hello.uv_per_lsb = uv_per_lsb;
    hello.device = DEVICE_ID;
    hello.firmware = "ad8232_nano 1.0";
    hello.lead_names = LEAD_NAME;
    send(eb_send_hello(&frame, &hello));
}

static void send_status(void)
{
    eb_status status;
    status.stream = stream;
    status.board_us = now_us();
    status.lead_off = (said_off & LO_PLUS ? 1 : 0) | (said_off & LO_MINUS ? 2 : 0);
    status.saturated = saturated;
    status.battery = EB_BATTERY_UNKNOWN;
    status.dropped = dropped;
    saturated = 0;
    send(eb_send_status(&frame, &status));
}

static void send_block(void)
{
    uint8_t i;
    eb_samples_begin(&frame, stream, 1, 2, counter, stream_us + counter * period_us);
    for (i = 0; i < BLOCK; i++)
        eb_count(&frame, 2, ring[(uint8_t)(ring_tail + i) & (RING - 1)]);
    ring_tail += BLOCK;
    counter += BLOCK;
    send(eb_end(&frame));
}

/* Samples were not taken in: the counter runs on over them once those before them are sent. */
static void count_dropped(void)
{
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE)
    {
        if (ring_dropping && (uint8_t)(ring_head - ring_tail) < BLOCK) {
            ring_dropped += (uint8_t)(ring_head - ring_tail);
            ring_tail = ring_head;
            counter += ring_dropped;
            dropped += ring_dropped;
            ring_dropped = 0;
            ring_dropping = false;
        }
    }
}

static void acknowledge(uint8_t result, uint32_t value)
{
    ack_command = eb_type(&receiver);
    ack_result = result;
    ack_value = value;
    ack_due = true;
}

static void obey(void)
{
    switch (eb_type(&receiver)) {
    case EB_PING:
        pong_us = now_us();
        pong_token = eb_payload_u32(&receiver, 0);
        pong_due = true;
        break;
    case EB_IDENTIFY:
        hello_due = status_due = true;
        acknowledge(EB_OK, 0);
        break;
    case EB_START:
        /* A stretch without samples would leave a hole in the counter that is none: begin anew. */
        if (!running) {
            running = true;
            begin_stream(rate_mhz);
        }
        acknowledge(EB_OK, 0);
        break;
    case EB_STOP:
        running = false;
        acknowledge(EB_OK, 0);
        break;
    case EB_SET_RATE:
        if (begin_stream(eb_payload_u32(&receiver, 0)))
            acknowledge(EB_OK, rate_mhz);
        else
            acknowledge(EB_REFUSED, rate_mhz);
        break;
    default:
        acknowledge(EB_UNKNOWN, 0);
    }
}

void setup(void)
{
    stream = eeprom_read_byte(STREAM_IN_EEPROM);
    eb_receiver_init(&receiver);

    DDRB &= (uint8_t)~(LO_PLUS | LO_MINUS);

    UBRR0 = 16; /* 115,200 at double speed */
    UCSR0A = _BV(U2X0);
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0);

    ADMUX = EXTERNAL_AREF ? 0 : _BV(REFS0); /* A0 */
    ADCSRA = _BV(ADEN) | _BV(ADIE) | _BV(ADPS2) | _BV(ADPS1) | _BV(ADPS0);

    TCCR1A = 0;
    TCCR1B = _BV(WGM12) | _BV(CS11);
    begin_stream(RATE_HZ * 1000UL);
    TIFR1 = _BV(OCF1A);
    TIMSK1 = _BV(OCIE1A);
    sei();
}

void loop(void)
{
    while (rx_tail != rx_head)
        if (eb_receive(&receiver, rx_ring[rx_tail++ & (RX_RING - 1)]))
            obey();
    if (now_us() - second_us >= 1000000UL) {
        second_us += 1000000UL;
        hello_due = status_due = true;
    }
    if (leads_off != said_off) {
        said_off = leads_off;
        status_due = true;
    }
    count_dropped();

    /* One thing at a time: the frame is also what the interrupt sends from. A pong first, it is about time. */
    if (tx_len == 0) {
        if (pong_due) {
            pong_due = false;
            send(eb_send_pong(&frame, pong_token, pong_us));
        } else if (ack_due) {
            ack_due = false;
            send(eb_send_ack(&frame, ack_command, ack_result, ack_value));
        } else if (hello_due) {
            hello_due = false;
            send_hello();
        } else if (status_due) {
            status_due = false;
            send_status();
        } else if ((uint8_t)(ring_head - ring_tail) >= BLOCK) {
            send_block();
        }
    }
    /* Any interrupt wakes it; the next one comes with the next sample at the latest. */
    set_sleep_mode(SLEEP_MODE_IDLE);
    sleep_mode();
}
