/* An SPI bus with an ADS1292R on it, in software. */
#ifndef SPI_STUB_H
#define SPI_STUB_H

#include "Arduino.h"

#define SPI_MODE1 1

struct SPISettings {
    SPISettings(uint32_t, int, int) {}
};

uint8_t stub_transfer(uint8_t out);
void stub_select();

struct StubSpi {
    void begin() {}
    void beginTransaction(const SPISettings &) { stub_select(); }
    void endTransaction() {}
    uint8_t transfer(uint8_t out) { return stub_transfer(out); }
};
extern StubSpi SPI;

#endif
