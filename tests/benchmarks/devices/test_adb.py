"""A phone behind the real adb client. The server and the phones are test doubles; no real phone was tested."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from adb_double import AdbDouble, PhoneDouble, adb_server

from edgeshift.benchmarks.devices import adb_client
from edgeshift.benchmarks.devices.adb import FOLDER, AdbDevice, list_adb
from edgeshift.benchmarks.devices.adb_client import Phone, parse_devices
from edgeshift.benchmarks.devices.adb_facts import (
    fastest_cores,
    phone_facts,
    power_source,
    taskset_mask,
    thermal_status,
)
from edgeshift.benchmarks.devices.find import find_device
from edgeshift.errors import DeviceError, DeviceLostError

#: Output in the format of Android's thermal service, written for these tests.
THERMAL = """IsStatusOverride: false
ThermalEventListeners:
\tcallbacks: 1
Thermal Status: {status}
Cached temperatures:
\tTemperature{{mValue=31.0, mType=3, mName=skin, mStatus=0}}
HAL Ready: true
Current temperatures from HAL:
\tTemperature{{mValue=34.5, mType=3, mName=skin, mStatus=0}}
\tTemperature{{mValue=41.25, mType=0, mName=CPU0, mStatus=0}}
\tTemperature{{mValue=-3.4E38, mType=1, mName=GPU, mStatus=0}}
\tTemperature{{mValue=-273.1, mType=9, mName=NPU, mStatus=0}}
Current cooling devices from HAL:
\tCoolingDevice{{mValue=0, mType=0, mName=cdev0}}
"""
BATTERY = "Current Battery Service state:\n  USB powered: true\n  level: 87\n  voltage: 4211\n  temperature: 287\n"
PROPERTIES = """[ro.build.version.release]: [15]
[ro.build.version.sdk]: [35]
[ro.product.manufacturer]: [Google]
[ro.product.model]: [Pixel 9]
[ro.soc.manufacturer]: [Google]
[ro.soc.model]: [Tensor G4]
"""
CLOCKS = {0: 1950, 1: 1950, 2: 1950, 3: 1950, 4: 2600, 5: 2600, 6: 2600, 7: 3105}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch):
    """Run the test double of adb's server that the adb client connects to."""
    with adb_server(monkeypatch) as double:
        yield double


@pytest.fixture
def phone(server: AdbDouble, tmp_path: Path) -> PhoneDouble:
    """Connect a phone, which is the only one, and return it."""
    double = PhoneDouble(tmp_path / "phone", "28111JEGR00001")
    server.phones.append(double)
    return double


def android(phone: PhoneDouble, status: int = 0, saver: str = "0") -> None:
    """Write the files and programs of Android that report facts; ``status``: the thermal status, 0 to 6."""
    phone.program("getprop", f"cat <<'END'\n{PROPERTIES}END")
    thermal = THERMAL.format(status=status)
    phone.program(
        "dumpsys",
        f"case $1 in thermalservice) cat <<'END'\n{thermal}END\n;; battery) cat <<'END'\n{BATTERY}END\n;; esac",
    )
    phone.program("settings", f"echo {saver}")
    phone.program("uname", "echo Linux aarch64")
    phone.program("nproc", "echo 8")
    files = {
        "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd asimddp sve i8mm\nCPU part\t: 0xd80\n",
        "proc/meminfo": "MemTotal:       11830456 kB\n",
        "sys/class/thermal/thermal_zone0/type": "BIG\n",
        "sys/class/thermal/thermal_zone0/temp": "43000\n",
    }
    for core, maximum in CLOCKS.items():
        folder = f"sys/devices/system/cpu/cpu{core}/cpufreq"
        files |= {f"{folder}/scaling_governor": "sched_pixel\n", f"{folder}/scaling_cur_freq": "820000"}
        files[f"{folder}/cpuinfo_max_freq"] = f"{maximum}000\n"
    for name, text in files.items():
        phone.file(name).parent.mkdir(parents=True, exist_ok=True)
        phone.file(name).write_text(text)


def test_run_passes_arguments_output_and_exit_status_unchanged(phone: PhoneDouble) -> None:
    device = AdbDevice("adb")
    assert device.name == "adb:28111JEGR00001"
    words = ["a b", "$HOME", "'", '"', "", "*", "; echo no", "`id`", "\\", "two\nlines"]
    done = device.run(["printf", "<%s>", *words], 30)
    assert done.status == 0 and done.out == "".join(f"<{word}>" for word in words)
    assert device.run(["sh", "-c", "echo 1; echo 2 >&2; exit 7"], 30) == (7, "1\n", "2\n")
    assert device.run(["sh", "-c", "printf 2 >&2"], 30) == (0, "", "2"), "the marked lines are removed"
    assert device.run(["sh", "-c", "kill -9 $$"], 30).status == 137
    lines: list[str] = []
    device.run(["printf", "one\ntwo\n"], 30, lines.append)
    assert lines == ["one", "two"]


def test_lines_arrive_while_the_command_runs(phone: PhoneDouble) -> None:
    times: list[float] = []
    AdbDevice().run(["sh", "-c", "echo 1; sleep 0.5; echo 2"], 30, lambda _: times.append(time.monotonic()))
    assert times[1] - times[0] > 0.25


def test_a_missing_program_is_an_error(phone: PhoneDouble) -> None:
    with pytest.raises(DeviceError, match=r"adb:28111JEGR00001 cannot run no_such_thing: .*not found"):
        AdbDevice().run(["no_such_thing"], 30)
    phone.file("data/local/tmp/plain").write_text("no program")
    with pytest.raises(DeviceError, match=r"cannot run /data/local/tmp/plain: .*[Pp]ermission denied"):
        AdbDevice().run(["/data/local/tmp/plain"], 30)


def test_a_command_that_takes_too_long_is_stopped_on_the_phone(phone: PhoneDouble) -> None:
    """Stopping the adb client does not stop the command on the phone."""
    device = AdbDevice()
    with pytest.raises(DeviceError, match="sh: stopped, because it did not end within 1 s") as caught:
        device.run(["sh", "-c", "sleep 60 & echo $! > pid; wait"], 1)
    assert not isinstance(caught.value, DeviceLostError)
    assert has_ended(int((phone.root / "pid").read_text()))
    assert device.run(["true"], 30).status == 0


def test_an_exception_in_on_line_is_raised(phone: PhoneDouble) -> None:
    def reader(text: str) -> None:
        raise ValueError(text)

    with pytest.raises(ValueError, match="seen"):
        AdbDevice().run(["echo", "seen"], 30, reader)


def test_a_phone_that_is_unplugged_while_a_command_runs_is_lost(phone: PhoneDouble) -> None:
    """In this case the adb client itself ends with status 0."""
    device, lines = AdbDevice(), []

    def reader(text: str) -> None:
        lines.append(text)
        phone.lose()

    with pytest.raises(DeviceLostError, match=r"adb:28111JEGR00001: the connection was lost: plug it in and resume"):
        device.run(["sh", "-c", "echo one; sleep 60; echo two"], 30, reader)
    assert lines == ["one"]
    with pytest.raises(DeviceLostError, match=r"adb:28111JEGR00001: the connection was lost .*not found.*: plug it in"):
        device.run(["true"], 30)


def test_the_error_for_a_phone_that_is_connected_again_advises_to_resume(phone: PhoneDouble) -> None:
    def reader(text: str) -> None:
        phone.lose()
        phone.state = "device"

    with pytest.raises(DeviceLostError, match="it is connected again, so resume"):
        AdbDevice().run(["sh", "-c", "echo one; sleep 60"], 30, reader)


def test_a_phone_that_withdraws_its_permission_is_lost(phone: PhoneDouble) -> None:
    def reader(text: str) -> None:
        phone.lose()
        phone.state = "unauthorized"

    with pytest.raises(DeviceLostError, match="is unauthorized: unlock it"):
        AdbDevice().run(["sh", "-c", "echo one; sleep 60"], 30, reader)


def test_push_and_pull(phone: PhoneDouble, tmp_path: Path) -> None:
    device, file = AdbDevice(), tmp_path / "with space.bin"
    file.write_bytes(bytes(range(256)) * 4096)
    path = device.push(file, "data.bin")
    assert path == f"{FOLDER}/data.bin" and phone.file(path).read_bytes() == file.read_bytes()
    transfers = phone.services.count("sync:")
    assert device.push(file, "data.bin") == path and phone.services.count("sync:") == transfers, (
        "the same file is not copied again"
    )
    file.write_bytes(b"other")
    device.push(file, "data.bin")
    assert phone.file(path).read_bytes() == b"other"
    assert [path.name for path in phone.file(FOLDER).iterdir()] == ["data.bin"]
    device.pull(path, tmp_path / "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == b"other"
    with pytest.raises(DeviceError, match=r"cannot pull .*gone\.bin: .*does not exist") as caught:
        device.pull(f"{FOLDER}/gone.bin", tmp_path / "none.bin")
    assert not isinstance(caught.value, DeviceLostError) and not (tmp_path / "none.bin").exists()
    for name in ("../up", "a/b", "", "-x", "a b"):
        with pytest.raises(DeviceError, match="plain name"):
            device.push(file, name)


def test_a_file_that_arrives_damaged_is_removed(phone: PhoneDouble, tmp_path: Path) -> None:
    phone.program("sha256sum", "echo 00 $1")
    (tmp_path / "a").write_bytes(b"a")
    with pytest.raises(DeviceError, match="a arrived damaged"):
        AdbDevice().push(tmp_path / "a", "a")
    assert not list(phone.file(FOLDER).iterdir())


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_an_interrupted_transfer_leaves_no_file(phone: PhoneDouble, tmp_path: Path, direction: str) -> None:
    device, big = AdbDevice(), bytes(8 << 20)
    (tmp_path / "big").write_bytes(big)
    phone.file("data/local/tmp/big").write_bytes(big)
    phone.lost_after = 1 << 20
    with pytest.raises(DeviceLostError, match="the connection was lost"):
        if direction == "push":
            device.push(tmp_path / "big", "big")
        else:
            device.pull("/data/local/tmp/big", tmp_path / "back")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big", "phone"]


def test_one_of_several_phones_must_be_chosen(server: AdbDouble, phone: PhoneDouble, tmp_path: Path) -> None:
    server.phones.append(PhoneDouble(tmp_path / "second", "192.168.1.7:5555", model="Galaxy_S24"))
    with pytest.raises(
        DeviceError, match=r"there are 2 phones: choose one with --device adb:28111JEGR00001 or adb:192\.168\.1\.7:5555"
    ):
        AdbDevice("adb")
    device = find_device("adb:192.168.1.7:5555")
    device.run(["touch", "/data/local/tmp/here"], 30)
    assert (tmp_path / "second/data/local/tmp/here").exists()
    phones = Phone("28111JEGR00001", "device", "Pixel 9"), Phone("192.168.1.7:5555", "device", "Galaxy S24")
    assert list_adb() == (phones, None)
    with pytest.raises(DeviceLostError, match="adb:other is not connected: adb lists 28111JEGR00001, 192"):
        find_device("adb:other").run(["true"], 30)


def test_the_only_usable_phone_is_chosen(server: AdbDouble, phone: PhoneDouble, tmp_path: Path) -> None:
    server.phones.insert(0, PhoneDouble(tmp_path / "second", "X", state="offline"))
    assert AdbDevice("adb").serial == phone.serial


def test_an_empty_list_of_phones_comes_with_a_reason(server: AdbDouble) -> None:
    with pytest.raises(DeviceError, match="adb: no phone: plug one in, with USB debugging on"):
        AdbDevice("adb")
    phones, reason = list_adb()
    assert phones == () and reason is not None and "plug one in" in reason


@pytest.mark.parametrize(
    ("state", "advice"),
    [
        ("unauthorized", 'is unauthorized: unlock it and answer "Allow USB debugging'),
        ("offline", "is offline: plug it in again"),
        ("recovery", "is recovery: it must run Android"),
    ],
)
def test_a_phone_that_cannot_be_used_gives_a_remedy(phone: PhoneDouble, state: str, advice: str) -> None:
    phone.state = state
    for name in ("adb", "adb:28111JEGR00001"):
        with pytest.raises(DeviceError, match=advice):
            find_device(name).run(["true"], 30)


def test_android_6_is_refused(phone: PhoneDouble) -> None:
    phone.features = "cmd"
    with pytest.raises(DeviceError, match="Android 7 or newer"):
        AdbDevice().run(["true"], 30)


@pytest.mark.parametrize("name", ["adb:", "adb:-d", "adb:a\nb", "adbx", "adb:" + "a" * 200])
def test_malformed_names_are_refused(name: str) -> None:
    with pytest.raises(DeviceError):
        find_device(name)


def test_without_adb_the_list_of_phones_is_empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list_adb() == ((), adb_client.MISSING)
    with pytest.raises(DeviceError, match="adb is not installed: apt install adb"):
        AdbDevice("adb")


def test_parsing_the_list_of_phones() -> None:
    text = """* daemon not running; starting now at tcp:5037
* daemon started successfully
List of devices attached
emulator-5554          device product:sdk_gphone64_x86_64 model:sdk_gphone64 device:emu64xa transport_id:1
0A051JEC\tunauthorized usb:1-4 transport_id:2
8BN0       no permissions (user in plugdev group; are your udev rules wrong?); see [http://x] usb:1-5 transport_id:4
adb-4A (2)._adb-tls-connect._tcp offline transport_id:9

"""
    assert parse_devices(text) == (
        Phone("emulator-5554", "device", "sdk gphone64"),
        Phone("0A051JEC", "unauthorized", None),
        Phone("8BN0", "no permissions", None),
        Phone("adb-4A (2)._adb-tls-connect._tcp", "offline", None),
    )


def test_facts_of_a_phone(phone: PhoneDouble) -> None:
    android(phone)
    device = AdbDevice()
    facts = device.facts()
    assert (facts.board, facts.processor, facts.cores) == ("Google Pixel 9", "Google Tensor G4", 8)
    assert facts.system == "Android 15 (API 35), Linux aarch64"
    assert facts.features == ("asimddp", "i8mm", "sve") and facts.memory == 11830456 * 1024
    assert facts.governors == ("sched_pixel",) and facts.clock["cpu7"] == (820.0, 3105.0) and len(facts.clock) == 8
    assert facts.temperatures == {"BIG": 43.0, "skin": 34.5, "CPU0": 41.25, "battery": 28.7}
    assert facts.throttled == () and facts.power_mode is None
    assert device.big_cores() == (7,) and device.big_cores(2) == (4, 5, 6, 7)
    assert taskset_mask(device.big_cores(2)) == "f0"


def test_the_power_source_of_a_phone() -> None:
    assert power_source(BATTERY) == "USB" and power_source("") is None
    assert power_source("  AC powered: false\n  USB powered: false\n  Wireless powered: false\n") == "battery"
    assert power_source("  AC powered: true\n  USB powered: false\n") == "mains"


def test_throttling_and_battery_saver_are_reported(phone: PhoneDouble) -> None:
    android(phone, status=3, saver="1")
    facts = AdbDevice().facts()
    assert facts.throttled == ("Android's thermal status: severe",) and facts.power_mode == "battery saver"


def test_a_phone_that_reports_nothing(phone: PhoneDouble) -> None:
    phone.program("nproc", "exit 1")
    facts = AdbDevice().facts()
    assert (facts.board, facts.processor, facts.throttled, facts.memory) == (None, "unknown", None, None)
    assert facts.cores == 1 and not facts.clock and not facts.temperatures
    assert fastest_cores(facts.clock) == ()


def test_the_output_of_a_phone_cannot_write_files_outside_the_temporary_folder() -> None:
    facts = phone_facts("=== /proc/../../../../../../tmp/edgeshift-escaped\nx\n=== /etc/passwd\ny\n")
    assert facts.board is None and not Path("/tmp/edgeshift-escaped").exists()


@pytest.mark.parametrize("text", ["", "Thermal Status: 9", "no such service"])
def test_an_unknown_thermal_status_is_none(text: str) -> None:
    assert thermal_status(text) is None


def test_the_agent_runs_in_termux_if_android_permits_it(phone: PhoneDouble) -> None:
    """In this test, ``run-as`` and Termux's Python are scripts."""
    phone.program("run-as", 'test "$1" = com.termux && shift && exec "$@"')
    phone.program("python3", 'exec /usr/bin/env -i python3 "$@"', "data/data/com.termux/files/usr/bin")
    device = AdbDevice()
    command = device.agent()
    assert command[:2] == ["run-as", "com.termux"] and command[-1] == f"{FOLDER}/agent.pyz"
    assert phone.file(command[-1]).read_bytes()[:2] == b"PK"
    transfers = phone.services.count("sync:")
    assert device.agent() == command and phone.services.count("sync:") == transfers


def test_without_a_python_the_error_explains_how_to_use_ssh(phone: PhoneDouble) -> None:
    advice = r"adb forward tcp:8022 tcp:8022.*--device ssh://localhost:8022; bench and eval with --agent native"
    with pytest.raises(DeviceError, match=rf"adb can start no Python there \(.*run-as.*{advice}"):
        AdbDevice().agent()
    phone.program("run-as", "echo 'run-as: package not debuggable: com.termux' >&2; exit 1")
    with pytest.raises(DeviceError, match=rf"\(run-as: package not debuggable: com.termux\): .*{advice}"):
        AdbDevice().agent()


def has_ended(pid: int) -> bool:
    """Wait up to 5 seconds for a process to end, and return whether it has."""
    for _ in range(50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        # A process that ended is listed as a zombie (Z) until its parent waits for it.
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False
