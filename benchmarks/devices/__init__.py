"""Devices to measure on. All of them implement the protocol ``edgeshift.benchmarks.devices.device.Device``.

    find_device("local" | "ssh://user@host" | "adb")   the device of a name            (find)
    RecordedDevice(facts, results)                     a test double for your tests    (mock)

Whoever adds a kind of device writes one class with the methods of ``Device`` and one line in ``find.DEVICES``.
"""
