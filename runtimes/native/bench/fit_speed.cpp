// Fits images to frames of any size, so that a study can compare the time with OpenCV's.
#include "fit.hpp"

// A fitter for frames of this size, resized without a crop.
extern "C" ES_API edgeshift::Fitter *bench_fitter(int height, int width) {
    edgeshift::FrameSpec frame;
    frame.height = height, frame.width = width;
    return new edgeshift::Fitter(frame);
}

extern "C" ES_API void bench_fit(edgeshift::Fitter *fitter, const es_image *image, uint8_t *out) {
    fitter->fit(*image, out);
}
