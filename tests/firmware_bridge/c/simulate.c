/*
 * Runs the AD8232 sketch in simavr: its converter sees a record, its UART is a pty.
 *
 *   simulate FIRMWARE.elf SAMPLES SPEED SECONDS
 *
 * SAMPLES are little-endian 16-bit counts of 0 to 1023, one a conversion; 65535 is an electrode off (LO+ high). Prints the
 * pty's path, runs for SECONDS of the board's time at SPEED times real time, and ends.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pty.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <simavr/avr_adc.h>
#include <simavr/avr_ioport.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>

#define SUPPLY_MV 5000
#define OFF 65535

static avr_t *avr;
static avr_irq_t *adc_in, *lo_plus, *uart_in;
static FILE *samples;
static int master;
static int may_send;

static void on_conversion(avr_irq_t *irq, uint32_t value, void *param)
{
    uint8_t bytes[2];
    uint16_t count;
    (void)irq, (void)value, (void)param;
    if (fread(bytes, 1, 2, samples) != 2)
        return; /* the record is over: the last value stays */
    count = (uint16_t)(bytes[0] | bytes[1] << 8);
    avr_raise_irq(lo_plus, count == OFF);
    /* The least millivolts that the simulated converter turns into this count. */
    if (count != OFF)
        avr_raise_irq(adc_in, (count * SUPPLY_MV + 1022u) / 1023u);
}

static void on_byte(avr_irq_t *irq, uint32_t value, void *param)
{
    uint8_t byte = (uint8_t)value;
    (void)irq, (void)param;
    if (write(master, &byte, 1) != 1)
        return; /* nobody reads: as on a wire, it is gone */
}

static void on_xon(avr_irq_t *irq, uint32_t value, void *param)
{
    (void)irq, (void)value, (void)param;
    may_send = 1;
}

static void on_xoff(avr_irq_t *irq, uint32_t value, void *param)
{
    (void)irq, (void)value, (void)param;
    may_send = 0;
}

/* Time passes below; the simulator's own sleeping would always be at real time. */
static void no_sleep(avr_t *a, avr_cycle_count_t cycles)
{
    (void)a, (void)cycles;
}

static void silent(avr_t *a, const int level, const char *format, va_list args)
{
    if (level == LOG_ERROR)
        vfprintf(stderr, format, args);
    (void)a;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void connect_pins(void)
{
    uint32_t flags = 0;
    adc_in = avr_io_getirq(avr, AVR_IOCTL_ADC_GETIRQ, ADC_IRQ_ADC0);
    lo_plus = avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('B'), 2);
    uart_in = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
    avr_raise_irq(lo_plus, 0);
    avr_raise_irq(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('B'), 3), 0);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_ADC_GETIRQ, ADC_IRQ_OUT_TRIGGER), on_conversion, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_byte, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XON), on_xon, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XOFF), on_xoff, NULL);
    avr_ioctl(avr, AVR_IOCTL_UART_GET_FLAGS('0'), &flags);
    flags &= ~(uint32_t)(AVR_UART_FLAG_STDIO | AVR_UART_FLAG_POLL_SLEEP);
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
}

static int open_pty(void)
{
    int slave;
    char path[64];
    struct termios raw;
    if (openpty(&master, &slave, path, NULL, NULL))
        return 1;
    tcgetattr(slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    fcntl(master, F_SETFL, O_NONBLOCK);
    puts(path);
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    elf_firmware_t firmware = {0};
    double began, speed, until;
    avr_cycle_count_t next_look = 0;

    avr_global_logger_set(silent);
    if (argc != 5 || elf_read_firmware(argv[1], &firmware) || !(samples = fopen(argv[2], "rb")))
        return 2;
    speed = atof(argv[3]);
    until = atof(argv[4]);
    avr = avr_make_mcu_by_name("atmega328p");
    if (!avr || avr_init(avr))
        return 3;
    avr->frequency = 16000000;
    avr->vcc = avr->avcc = avr->aref = SUPPLY_MV;
    avr_load_firmware(avr, &firmware);
    avr->sleep = no_sleep;
    connect_pins();
    if (open_pty())
        return 4;

    began = seconds();
    may_send = 1;
    for (;;) {
        int state = avr_run(avr);
        if (state == cpu_Done || state == cpu_Crashed)
            return 5;
        if (avr->cycle < next_look)
            continue;
        /* Once a simulated tenth of a millisecond: a byte from the host, and time. */
        next_look = avr->cycle + avr->frequency / 10000;
        if (may_send) {
            uint8_t byte;
            if (read(master, &byte, 1) == 1)
                avr_raise_irq(uart_in, byte);
        }
        double now = (double)avr->cycle / avr->frequency, ahead = now / speed - (seconds() - began);
        if (now >= until)
            return 0;
        if (ahead > 0.001)
            usleep((useconds_t)(ahead * 1e6));
    }
}
