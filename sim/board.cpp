// A board in simulation: a verilated top with the ports clk, rst, rx and tx, and the two lines of its serial port,
// between the bytes of a pseudo-terminal. Lines are simulated level by level, in cycles of the board's clock; a byte may be
// changed, lost or doubled on its way, each direction by a random sequence of its own.

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <poll.h>
#include <random>
#include <stdexcept>
#include <string>
#include <unistd.h>

#include "verilated.h"

#include "binding.h"

// As the arguments that board.py makes, _Settings and _Counts there.
struct Settings {
    double period;  // cycles a bit, of the host's end
    double corrupt, lose, repeat;  // shares of bytes
    uint64_t seed;
    uint64_t idle;  // cycles without a byte after which time stands still
};

struct Counts {
    uint64_t cycles;
    uint64_t bytes_down, bytes_up;  // to the board, from the board
    uint64_t damaged_down, damaged_up;
    uint64_t torn;  // bytes of the board without a stop bit
};

namespace {

// The bytes of one direction, damaged as they pass.
class Noise {
    std::mt19937_64 random;
    double corrupt, lose, repeat;

public:
    uint64_t bytes = 0, damaged = 0;

    Noise(const Settings& settings, uint64_t direction)
        : random(settings.seed * 2 + direction), corrupt(settings.corrupt), lose(settings.lose),
          repeat(settings.repeat) {}

    void pass(uint8_t byte, std::deque<uint8_t>& out) {
        ++bytes;
        const double luck = static_cast<double>(random() >> 11) * 0x1p-53;
        const uint8_t change = static_cast<uint8_t>(1 + random() % 255);
        const bool lost = luck >= corrupt && luck < corrupt + lose;
        const bool twice = luck >= corrupt + lose && luck < corrupt + lose + repeat;
        damaged += luck < corrupt + lose + repeat;
        if (lost) return;
        if (luck < corrupt) byte ^= change;
        out.push_back(byte);
        if (twice) out.push_back(byte);
    }
};

class Board {
    std::unique_ptr<VerilatedContext> context{new VerilatedContext};
    std::unique_ptr<Model> top;
    Settings settings;
    int port;
    Noise down_noise, up_noise;
    std::deque<uint8_t> down, up;
    uint64_t cycle = 0, quiet = 0, torn = 0;
    // Both lines: the level's number within a byte, and the cycle in which the next one begins or is sampled.
    int sending = -1, receiving = -1;
    double send_at = 0, sample_at = 0;
    unsigned send_bits = 0, received = 0;

    void tick() {
        top->clk = 0;
        top->eval();
        top->clk = 1;
        top->eval();
        context->timeInc(1);
        ++cycle;
        ++quiet;
    }

    void drive() {
        if (sending < 0) {
            if (down.empty()) return;
            send_bits = down.front() << 1 | 0x200;
            down.pop_front();
            sending = 0;
            send_at = static_cast<double>(cycle) + settings.period;
            top->rx = 0;
        } else if (static_cast<double>(cycle) >= send_at) {
            send_at += settings.period;
            if (++sending == 10) {
                sending = -1;
                return drive();
            }
            top->rx = send_bits >> sending & 1;
        }
        quiet = 0;
    }

    void listen() {
        if (receiving < 0) {
            if (top->tx) return;
            receiving = 0;
            received = 0;
            sample_at = static_cast<double>(cycle) + settings.period / 2;
        } else if (static_cast<double>(cycle) >= sample_at) {
            sample_at += settings.period;
            received |= top->tx << receiving;
            if (++receiving == 10) {
                receiving = -1;
                if (received >> 9 & 1)
                    up_noise.pass(static_cast<uint8_t>(received >> 1), up);
                else
                    ++torn;
            }
        }
        quiet = 0;
    }

    // Take what the host wrote, but for what its own end of the line would still hold; give what the board said.
    void exchange() {
        uint8_t buffer[64];
        if (down.size() < sizeof buffer) {
            const ssize_t got = read(port, buffer, sizeof buffer);
            for (ssize_t k = 0; k < got; ++k) down_noise.pass(buffer[k], down);
        }
        while (!up.empty()) {
            size_t count = 0;
            while (count < up.size() && count < sizeof buffer) {
                buffer[count] = up[count];
                ++count;
            }
            const ssize_t put = write(port, buffer, count);
            if (put <= 0) break;  // the host does not read; a real port would lose them, this one waits
            up.erase(up.begin(), up.begin() + put);
        }
    }

public:
    std::string error;

    Board(const Settings& settings, int port)
        : settings(settings), port(port), down_noise(settings, 0), up_noise(settings, 1) {
        Verilated::threadContextp(context.get());
        context->randReset(0);
        top.reset(new Model{context.get(), "TOP"});
        top->rx = 1;
        top->rst = 1;
        for (int k = 0; k < 8; ++k) tick();
        top->rst = 0;
    }

    ~Board() {
        Verilated::threadContextp(context.get());
        top->final();
    }

    // So many cycles, or fewer if the board falls idle: then wait for the host, at most so many milliseconds.
    void run(uint64_t cycles, int wait) {
        Verilated::threadContextp(context.get());
        for (uint64_t k = 0; k < cycles; ++k) {
            if (k % 64 == 0) {
                exchange();
                if (quiet > settings.idle && down.empty() && up.empty()) {
                    pollfd host{port, POLLIN, 0};
                    if (poll(&host, 1, wait) <= 0) return;
                    exchange();
                    quiet = 0;
                }
            }
            drive();
            tick();
            listen();
        }
        exchange();
    }

    Counts counts() const {
        return {cycle, down_noise.bytes, up_noise.bytes, down_noise.damaged, up_noise.damaged, torn};
    }
};

thread_local std::string open_error;

}  // namespace

// Verilator's own versions of these print, abort or exit (see harness.cpp).
void vl_fatal(const char* file, int line, const char*, const char* message) VL_MT_UNSAFE {
    const std::string where = file && *file ? " (" + std::string(file) + ":" + std::to_string(line) + ")" : "";
    throw std::runtime_error(message + where);
}
void vl_warn(const char* file, int line, const char* scope, const char* message) VL_MT_UNSAFE {
    vl_fatal(file, line, scope, message);
}
void vl_finish(const char* file, int line, const char* scope) VL_MT_UNSAFE {
    vl_fatal(file, line, scope, "the design ended the simulation with $finish");
}

#define GW_EXPORT extern "C" __attribute__((visibility("default")))

GW_EXPORT void* gw_open(const Settings* settings, int port) {
    try {
        return new Board(*settings, port);
    } catch (const std::exception& error) {
        open_error = error.what();
        return nullptr;
    }
}

GW_EXPORT void gw_close(Board* board) { delete board; }

GW_EXPORT const char* gw_error(Board* board) { return board ? board->error.c_str() : open_error.c_str(); }

GW_EXPORT int gw_run(Board* board, uint64_t cycles, int wait) {
    try {
        board->run(cycles, wait);
        return 0;
    } catch (const std::exception& error) {
        board->error = error.what();
        return 1;
    }
}

GW_EXPORT void gw_counts(Board* board, Counts* counts) { *counts = board->counts(); }
