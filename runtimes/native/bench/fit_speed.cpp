// Fits images to frames of any size, for Python's ctypes: benchmarks/studies/native_speed.py compares the time with
// OpenCV's, and tests/native/test_native_fit.py the bytes with the golden ones.
#include "error.hpp"
#include "fit.hpp"

// short_side: 0: the default.
extern "C" ES_API edgeshift::Fitter *bench_fitter(int height, int width, int crop, int short_side, int bgr) {
    edgeshift::FrameSpec frame;
    frame.height = height, frame.width = width;
    frame.crop = crop != 0, frame.bgr = bgr != 0;
    if (short_side != 0)
        frame.short_side = short_side;
    return new edgeshift::Fitter(frame);
}

extern "C" ES_API es_status bench_fit(edgeshift::Fitter *fitter, const es_image *image, uint8_t *out) {
    try {
        fitter->fit(*image, out);
        return ES_OK;
    } catch (const edgeshift::Error &error) {
        return error.status;
    }
}

extern "C" ES_API void bench_fitter_free(edgeshift::Fitter *fitter) { delete fitter; }
