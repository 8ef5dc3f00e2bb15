"""The camera demo: run artifacts on a camera or a clip and show, record and print what they recognise.

    sources      cameras, network streams, GStreamer pipelines, clips and the drawn stream
    microphones  microphones and files of sound
    engine       reading frames, choosing the frames that the model gets, running the model, counting
    display      the window, the drawn picture and recorded videos
    app          the run loop, which also handles keys

Each part imports only the parts above it. ``app.App`` runs live sources and clips with the same loop. Only the schedule
(``engine.schedule``) differs: ``NewestFrame`` works in real time, and drops frames if the model is too slow for them;
``EveryFrame`` reads a clip as fast as possible and feeds every frame that is due.
"""
