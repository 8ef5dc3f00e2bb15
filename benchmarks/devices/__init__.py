"""Devices to measure on. All of them implement the protocol ``edgeshift.benchmarks.devices.device.Device``.

    find_device("local" | "ssh://user@host" | "adb")   the device with this name       (find)
    RecordedDevice(facts, results)                     a test double for your tests    (mock)

A new kind of device is a class with the methods of ``Device`` and a line in ``find.DEVICES``. This package
imports no other part of ``benchmarks``.
"""
