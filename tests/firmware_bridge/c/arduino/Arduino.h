/*
 * As much of the Arduino core as the sketches use, on a computer: pins go nowhere, Serial is standard input and output, and
 * time is what the test says.
 */
#ifndef ARDUINO_STUB_H
#define ARDUINO_STUB_H

#include <cstddef>
#include <cstdint>
#include <cstdio>

#define LOW 0
#define HIGH 1
#define INPUT 0
#define OUTPUT 1
#define FALLING 2
#define MSBFIRST 1

extern uint64_t stub_us;
extern void (*stub_interrupt)(void);
extern const char *stub_input;
extern size_t stub_input_len;

inline uint32_t micros() { return (uint32_t)stub_us; }
inline uint32_t millis() { return (uint32_t)(stub_us / 1000); }
inline void delay(uint32_t ms) { stub_us += ms * 1000ull; }
inline void delayMicroseconds(uint32_t us) { stub_us += us; }
inline void pinMode(int, int) {}
inline void digitalWrite(int, int) {}
inline int digitalPinToInterrupt(int pin) { return pin; }
inline void attachInterrupt(int, void (*handler)(void), int) { stub_interrupt = handler; }
inline void noInterrupts() {}
inline void interrupts() {}

struct StubSerial {
    void begin(unsigned long) {}
    size_t write(const uint8_t *data, size_t n) { return fwrite(data, 1, n, stdout); }
    int available() { return (int)stub_input_len; }
    int read() { return stub_input_len ? (stub_input_len--, (uint8_t)*stub_input++) : -1; }
};
extern StubSerial Serial;

#endif
