// Drives one verilated design with two stream ports through whole batches, in-process: the loop over cycles is here,
// so that Python is entered once a batch. The design's ports and taps come from the generated binding.h:
//   using Model;  GW_INPUT_BYTES, GW_INPUT_LAST_MASK;  static std::vector<Channel> gw_channels(Model&);
// Channel 0 is the input port, channel 1 the output port, then the taps in the order of the build.
// What a cycle, an offer and a transfer are is written in patterns.py.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "verilated.h"
#if defined(GW_FST)
#include "verilated_fst_c.h"
using Waves = VerilatedFstC;
#elif defined(GW_VCD)
#include "verilated_vcd_c.h"
using Waves = VerilatedVcdC;
#endif

namespace {

constexpr uint64_t NEVER = ~uint64_t{0};

struct Channel {
    const void* payload;
    const CData* valid;
    const CData* ready;
    size_t bytes;

    uint64_t total = 0;  // transfers since reset
    bool stalled = false;  // the previous cycle was valid and not ready
    std::vector<uint8_t> held;  // the payload of that cycle

    // Of the present run:
    bool capture = false;
    bool time = false;
    uint64_t count = 0;
    uint64_t unstable = NEVER;  // first cycle that changed or withdrew a stalled word
    std::vector<uint8_t> words;
    std::vector<uint64_t> cycles;

    void begin(uint8_t flags) {
        capture = flags & 1;
        time = flags & 2;
        count = 0;
        unstable = NEVER;
        words.clear();
        cycles.clear();
    }

    void sample(uint64_t cycle) {
        const bool is_valid = *valid, is_ready = *ready;
        if (stalled && (!is_valid || std::memcmp(held.data(), payload, bytes) != 0))
            unstable = std::min(unstable, cycle);
        stalled = is_valid && !is_ready;
        if (stalled) {
            std::memcpy(held.data(), payload, bytes);
        } else if (is_valid) {
            ++total;
            ++count;
            if (capture) {
                const uint8_t* begin = static_cast<const uint8_t*>(payload);
                words.insert(words.end(), begin, begin + bytes);
            }
            if (time) cycles.push_back(cycle);
        }
    }
};

}  // namespace

#include "binding.h"

// As the arguments that verilated.py makes, _Request and _Result there.
struct Queue {
    uint32_t in, out;  // channels
};

struct Request {
    const uint8_t* words;
    uint64_t word_count;
    uint64_t outputs;
    const uint8_t* offers;
    uint64_t offers_length;
    const uint8_t* accepts;
    uint64_t accepts_length;
    uint64_t max_cycles;
    uint64_t settle;
    const uint8_t* flags;  // per channel: 1 capture payloads, 2 capture cycles
    const Queue* queues;
    uint64_t queue_count;
    int64_t* peaks;  // per queue
    const char* waves;  // path or null
};

struct Result {
    uint64_t first_cycle;
    uint64_t cycles;
    uint64_t finished;
};

namespace {

class Simulation {
    std::unique_ptr<VerilatedContext> context{new VerilatedContext};
    std::unique_ptr<Model> top;
#if defined(GW_FST) || defined(GW_VCD)
    std::unique_ptr<Waves> waves;
#endif
    bool dumping = false;
    uint64_t cycle = 0;

    void half(bool clk) {
        top->clk = clk;
        top->eval();
#if defined(GW_FST) || defined(GW_VCD)
        if (dumping) waves->dump(context->time());
#endif
        context->timeInc(1);
    }

    void drive_idle() {
        // Not the last word: a unit that looks at a payload without valid must be caught.
        uint8_t* payload = reinterpret_cast<uint8_t*>(&top->i___05Fpayload);
        std::memset(payload, 0xA5, GW_INPUT_BYTES);
        payload[GW_INPUT_BYTES - 1] &= GW_INPUT_LAST_MASK;
        top->i___05Fvalid = 0;
    }

public:
    std::vector<Channel> channels;
    std::string error;

    Simulation(int random, int seed) {
        enter();
        context->randReset(random ? 2 : 0);
        if (random) context->randSeed(seed);
#if defined(GW_FST) || defined(GW_VCD)
        context->traceEverOn(true);
#endif
        top.reset(new Model{context.get(), "TOP"});
        channels = gw_channels(*top);
        for (Channel& channel : channels) channel.held.resize(channel.bytes);
#if defined(GW_FST) || defined(GW_VCD)
        waves.reset(new Waves);
        top->trace(waves.get(), 99);
#endif
    }

    // Verilator's runtime refers to the calling thread's context, which may be that of another simulation, now gone.
    void enter() { Verilated::threadContextp(context.get()); }

    ~Simulation() {
        enter();
#if defined(GW_FST) || defined(GW_VCD)
        waves->close();
#endif
        top->final();
    }

    void reset(uint64_t cycles) {
        enter();
        drive_idle();
        top->rst = 1;
        top->o___05Fready = 0;
        for (; cycles; --cycles) {
            half(0);
            half(1);
        }
        top->rst = 0;
        cycle = 0;
        for (Channel& channel : channels) {
            channel.total = 0;
            channel.stalled = false;
        }
    }

    void run(const Request& request, Result& result) {
        enter();
        for (size_t k = 0; k < channels.size(); ++k) channels[k].begin(request.flags[k]);
        for (uint64_t k = 0; k < request.queue_count; ++k) request.peaks[k] = occupancy(request.queues[k]);
#if defined(GW_FST) || defined(GW_VCD)
        if (request.waves) {
            waves->open(request.waves);
            dumping = waves->isOpen();
            if (!dumping) throw std::runtime_error(std::string("cannot write ") + request.waves);
        }
#endif
        const uint64_t begin = cycle;
        uint64_t offer = cycle % request.offers_length, accept = cycle % request.accepts_length;
        uint64_t settle = request.settle;
        bool holding = false, finished = false;
        Channel &input = channels[0], &output = channels[1];
        drive_idle();
        while (true) {
            finished = input.count == request.word_count && output.count >= request.outputs;
            if (finished && settle-- == 0) break;
            if (cycle - begin == request.max_cycles) break;

            if (!holding) {
                if (input.count < request.word_count && request.offers[offer]) {
                    std::memcpy(reinterpret_cast<uint8_t*>(&top->i___05Fpayload),
                                request.words + input.count * GW_INPUT_BYTES, GW_INPUT_BYTES);
                    top->i___05Fvalid = 1;
                    holding = true;
                } else if (top->i___05Fvalid) {
                    drive_idle();
                }
            }
            top->o___05Fready = request.accepts[accept];
            if (++offer == request.offers_length) offer = 0;
            if (++accept == request.accepts_length) accept = 0;

            half(0);
            const uint64_t accepted = input.count;
            for (Channel& channel : channels) channel.sample(cycle);
            if (input.count != accepted) holding = false;
            half(1);
            ++cycle;
            for (uint64_t k = 0; k < request.queue_count; ++k)
                request.peaks[k] = std::max(request.peaks[k], occupancy(request.queues[k]));
        }
        stop_waves();
        result = {begin, cycle - begin, finished};
    }

    int64_t occupancy(const Queue& queue) const {
        return int64_t(channels[queue.in].total) - int64_t(channels[queue.out].total);
    }

    void stop_waves() {
#if defined(GW_FST) || defined(GW_VCD)
        if (dumping) {
            waves->dump(context->time());
            waves->close();
        }
#endif
        dumping = false;
    }
};

thread_local std::string open_error;

}  // namespace

// Verilator's own versions of these print, abort or exit, and Python would end with them. The runtime is compiled with
// VL_USER_FATAL, VL_USER_WARN and VL_USER_FINISH. A warning at run time (a memory file that is not there) is fatal too.
void vl_fatal(const char* file, int line, const char*, const char* message) VL_MT_UNSAFE {
    throw std::runtime_error(std::string(message) + (file && *file ? " (" + std::string(file) + ":" + std::to_string(line) + ")" : ""));
}
void vl_warn(const char* file, int line, const char* scope, const char* message) VL_MT_UNSAFE {
    vl_fatal(file, line, scope, message);
}
void vl_finish(const char* file, int line, const char* scope) VL_MT_UNSAFE {
    vl_fatal(file, line, scope, "the design ended the simulation with $finish");
}

#define GW_EXPORT extern "C" __attribute__((visibility("default")))

GW_EXPORT void* gw_open(int random, int seed) {
    try {
        return new Simulation(random, seed);
    } catch (const std::exception& error) {
        open_error = error.what();
        return nullptr;
    }
}

GW_EXPORT void gw_close(Simulation* simulation) { delete simulation; }

GW_EXPORT const char* gw_error(Simulation* simulation) {
    return simulation ? simulation->error.c_str() : open_error.c_str();
}

GW_EXPORT int gw_reset(Simulation* simulation, uint64_t cycles) {
    try {
        simulation->reset(cycles);
        return 0;
    } catch (const std::exception& error) {
        simulation->error = error.what();
        return 1;
    }
}

GW_EXPORT int gw_run(Simulation* simulation, const Request* request, Result* result) {
    try {
        simulation->run(*request, *result);
        return 0;
    } catch (const std::exception& error) {
        simulation->stop_waves();
        simulation->error = error.what();
        return 1;
    }
}

// Of the last run: transfers and, if asked for, their payloads and cycles. Valid until the next run.
GW_EXPORT uint64_t gw_count(Simulation* simulation, uint32_t channel) { return simulation->channels[channel].count; }
GW_EXPORT uint64_t gw_unstable(Simulation* simulation, uint32_t channel) {
    return simulation->channels[channel].unstable;
}
GW_EXPORT const uint8_t* gw_words(Simulation* simulation, uint32_t channel) {
    return simulation->channels[channel].words.data();
}
GW_EXPORT const uint64_t* gw_cycles(Simulation* simulation, uint32_t channel) {
    return simulation->channels[channel].cycles.data();
}
