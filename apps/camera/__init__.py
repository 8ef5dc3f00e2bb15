"""The live demo: a camera, a model fed at its own pace, and a picture of what it says.

    source   a camera, a stream's address, a pipeline, a clip or the drawn stream      source, live, clips, cameras
    grabber  a thread that reads it and keeps nothing but the newest frame             grabber, slot
    worker   a thread that steps the model and smooths its answers                     worker, session, smoothing
    app      the main thread: draws, shows, records, prints, starts commands           app, view, window, recorder, ...

Nothing waits for anything slower than itself: the worker takes the newest frame when it is free, the window too.
"""
