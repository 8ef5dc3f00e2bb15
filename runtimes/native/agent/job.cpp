#include "job.hpp"

#include "error.hpp"
#include "file.hpp"
#include "schema.hpp"
#include "text.hpp"

namespace edgeshift::agent {
namespace {

using namespace schema;

constexpr size_t kMaxBytes = 1 << 20, kMaxText = 4096;

Type any_text() { return text(0, kMaxText, nullptr); }
Type count() { return integer(0, int64_t(1) << 40); }

const Record &settings_record() {
    static const Record record = {"Settings",
                                  {{"mode", choice({"normal", "quick", "rapid", "paced", "sustained"})},
                                   {"steps", count()},
                                   {"seconds", number().at_least(0)},
                                   {"repeats", count()},
                                   {"fps", number().greater_than(0).or_null(), "null"},
                                   {"minutes", integer(1, 100000).or_null(), "null"},
                                   {"threads", integer(1, 64), "1"},
                                   {"cores", list(integer(0, 4095), 1, 4096).or_null(), "null"},
                                   {"frames", any_text()},
                                   {"width", count()},
                                   {"height", count()},
                                   {"ceiling", number()},
                                   {"locked", boolean(), "false"},
                                   {"options", map(any_text(), any_text(), 100), "{}"}}};
    return record;
}

const Record &job_record() {
    static const Record job = {"Job",
                               {{"artifact", any_text()},
                                {"frames", any_text()},
                                {"runtime", any_text().or_null(), "null"},
                                {"settings", record(settings_record())},
                                {"fitted", boolean(), "false"},
                                {"idle_seconds", number().at_least(0), "5.0"},
                                {"cool_down_timeout", number().at_least(0), "300.0"}}};
    return job;
}

void require_native(const json::Value &job) {
    const json::Value &runtime = job["runtime"];
    if (!runtime.is_null() && runtime.text() != "tflite")
        throw bad_argument("the native agent runs tflite, not " + quoted(runtime.text()) + ": use --agent python");
    for (const auto &[name, value] : job["settings"]["options"].object())
        if (name != "backend" || (value.text() != "auto" && value.text() != "compiled"))
            throw bad_argument("the native agent has no option " + name + "=" + value.text() +
                               " of the runtime: use --agent python");
}

Settings read_settings(const json::Value &from) {
    Settings settings;
    settings.mode = from["mode"].text();
    settings.steps = size_t(from["steps"].integer());
    settings.seconds = from["seconds"].number();
    if (!from["fps"].is_null())
        settings.fps = from["fps"].number();
    if (!from["minutes"].is_null())
        settings.minutes = int(from["minutes"].integer());
    settings.threads = int(from["threads"].integer());
    if (!from["cores"].is_null())
        for (const json::Value &core : from["cores"].array())
            settings.cores.push_back(int(core.integer()));
    settings.max_temperature = from["ceiling"].number();
    settings.locked = from["locked"].boolean();
    return settings;
}

} // namespace

Job read_job(const std::string &path) {
    const std::vector<uint8_t> bytes = read_file(path, kMaxBytes, "a job");
    try {
        const json::Value value = read({reinterpret_cast<const char *>(bytes.data()), bytes.size()}, job_record());
        require_native(value);
        Job job;
        job.artifact = value["artifact"].text();
        job.frames = value["frames"].text();
        job.settings = read_settings(value["settings"]);
        job.fitted = value["fitted"].boolean();
        job.idle_seconds = value["idle_seconds"].number();
        job.cool_down_timeout = value["cool_down_timeout"].number();
        return job;
    } catch (const json::Invalid &invalid) {
        throw bad_argument(path + ": this is not a job of edgeshift: " + invalid.what());
    }
}

} // namespace edgeshift::agent
