#include "commands.hpp"

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <sched.h>

#include "clock.hpp"
#include "clocks.hpp"
#include "competing_load.hpp"
#include "energy.hpp"
#include "error.hpp"
#include "facts.hpp"
#include "job.hpp"
#include "loop.hpp"
#include "message.hpp"
#include "selfcheck.hpp"
#include "text.hpp"

namespace edgeshift::agent {
namespace {

std::string numbers_text(const std::vector<int> &numbers) {
    std::vector<std::string> names;
    for (const int number : numbers)
        names.push_back(std::to_string(number));
    return joined(names);
}

// Run this process on some cores only.
void pin(const std::vector<int> &cores) {
    if (cores.empty())
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int core : cores)
        if (core < CPU_SETSIZE)
            CPU_SET(core, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        throw bad_argument("cores " + numbers_text(cores) + ": this device has " + numbers_text(usable_cores()));
}

// What is known of a repeat before its steps are timed.
struct Start {
    double load = 0, first = 0, waited = 0;
    Warmed warmed;
    SensorReading before;
    std::string runtime;

    Object object(bool partial, double seconds, const SensorReading &after, const std::string &energy) const {
        return Object()
            .add("load", load)
            .add("first", first)
            .add("warmup", warmed.steps)
            .add("warm", warmed.warm)
            .add("seconds", seconds)
            .add("partial", partial)
            .add_json("before", before.json())
            .add_json("after", after.json())
            .add("waited", waited)
            .add_json("energy", energy)
            .add("runtime", runtime);
    }
};

// Run steps for some minutes, and send each minute when it ends, so that it is not lost if the device is. `minutes` gets
// the minutes as JSON.
Steps run_sustained(Stepper &stepper, const Settings &settings, EnergyMeter &meter, std::string &minutes) {
    Steps run;
    const double start = now();
    for (int index = 0; index < settings.minutes; index++) {
        const double offset = now() - start;
        const Steps part = run_steps(stepper, 1, settings.seconds);
        const std::string minute = Object()
                                       .add("minute", index)
                                       .add("steps", part.totals.size())
                                       .add("p50", percentile(part.totals, 0.5, 20))
                                       .add("p90", percentile(part.totals, 0.9, 64))
                                       .add_json("reading", read_sensors().json())
                                       .text();
        write_message("minute", "minute", minute);
        minutes += (minutes.empty() ? "" : ",") + minute;
        meter.tick();
        run.add(part, offset);
    }
    return run;
}

} // namespace

void bench(const std::string &path, const Library &library) {
    const Job job = read_job(path);
    const FramesFile file = read_npy(job.frames);
    const Frames &frames = file.arrays.front();
    const Settings &settings = job.settings;
    pin(settings.cores);
    Start start;
    std::tie(start.before, start.waited) = cool_down(settings.max_temperature, job.cool_down_timeout);
    EnergyMeter meter;
    meter.measure_idle(job.idle_seconds);
    const ClockRestorer restorer;
    if (settings.locked)
        lock_clocks();
    const double opening = now();
    const Opened opened = open_artifact(job.artifact, library, settings.threads, job.fitted);
    start.load = now() - opening;
    start.runtime = runtime_name(*opened.model, library);
    Stepper stepper(*opened.stream, frames);
    const double stepping = now();
    stepper.step(0);
    start.first = now() - stepping;
    start.warmed = warm_up(stepper);

    std::string minutes;
    const CompetingLoad load;
    meter.start();
    Steps timed;
    if (settings.mode == "sustained") {
        write_message("started", "repeat",
                      start.object(true, 0, start.before, Object().add("reason", "the device was lost").text()).text());
        timed = run_sustained(stepper, settings, meter, minutes);
    } else if (settings.mode == "paced") {
        timed = run_paced(*opened.stream, frames, settings.steps, settings.seconds, settings.fps.value_or(30));
    } else {
        timed = run_steps(stepper, settings.steps, settings.seconds);
    }
    const std::string energy = meter.json();
    const std::optional<double> competing = load.share();
    const SensorReading after = read_sensors();
    std::optional<bool> checked;
    if (opened.model->description.check)
        checked = self_check(opened.model).ok != 0;
    Object repeat = start.object(false, timed.seconds, after, energy);
    repeat.add_json("pre", microseconds_json(timed.phase(&Timings::pre)))
        .add_json("infer", microseconds_json(timed.phase(&Timings::infer)))
        .add_json("post", microseconds_json(timed.phase(&Timings::post)))
        .add_json("end_to_end", microseconds_json(timed.totals))
        .add("steps", timed.every > 1 ? std::optional(timed.count) : std::nullopt)
        .add("offered", timed.offered)
        .add("missed", timed.late)
        .add_json("minutes", "[" + minutes + "]")
        .add("competing", competing)
        .add("checked", checked);
    write_message("repeat", "repeat", repeat.text());
}

} // namespace edgeshift::agent
