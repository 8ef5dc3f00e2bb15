/* The C interface of edgeshift's native runtime. It runs .tflite and .qnn.onnx artifacts that `edgeshift convert` made.
 *
 *     es_model *model = es_model_open("gestures.tflite", NULL);
 *     es_stream *stream = es_stream_new(model);
 *     es_prediction answer;
 *     while (next_frame(&image, &seconds))
 *         if (es_stream_step(stream, &image, seconds, &answer) == ES_OK)
 *             puts(answer.label);
 *     es_stream_free(stream);
 *     es_model_close(model);
 *
 * Errors. A function that returns a pointer returns NULL if it fails. A function that returns es_status returns a negative
 * value. es_error() then returns one line that says what is wrong and what to do. No function throws an exception, and no
 * function prints. LiteRT's library itself writes one line to stderr when it is first used, and QNN's one to stdout.
 *
 * Ownership. What a function with `new` or `open` in its name returns belongs to the caller, who ends its life with the
 * matching `free` or `close`. Each stream keeps its model alive, so a model may be closed before its streams. All other
 * pointers that are returned belong to the object that they came from.
 *
 * Threads. Different models and different streams can be used from different threads at the same time. Streams of the same
 * model take turns while the graph runs, because they share it. The functions of one model, except es_model_close, and
 * es_version, es_abi and es_error may be called from several threads at the same time. One stream, or one spotter, must not
 * be used from two threads at the same time.
 *
 * Units. Times are seconds, sizes are pixels or bytes as they say. Positions of labels count from 0. Samples of sound are
 * floats from -1 to 1, one channel; a rate is samples per second.
 */
#ifndef EDGESHIFT_H
#define EDGESHIFT_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define ES_API __declspec(dllexport)
#else
#define ES_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Increased when a program that was compiled with an older header could not use the library. */
#define ES_ABI 2

/* What a call did. */
typedef enum es_status {
    ES_OK = 0,            /* it worked; of a step: there is a prediction */
    ES_WAITING = 1,       /* of a step of a clip artifact: too few frames so far, there is no prediction yet */
    ES_BAD_ARGUMENT = -1, /* an argument is not possible, such as a frame without rows */
    ES_BAD_ARTIFACT = -2, /* the file is damaged, is not an artifact, or contradicts itself */
    ES_NO_RUNTIME = -3,   /* the runtime's library is missing, or cannot run on this processor */
    ES_FAILED = -4        /* the runtime failed, or there is no memory */
} es_status;

/* A loaded artifact. It never changes. */
typedef struct es_model es_model;
/* One sequence of frames with its states. */
typedef struct es_stream es_stream;
/* Applies an event rule to the predictions of one stream. */
typedef struct es_spotter es_spotter;

/* How a model is opened. Set every field that is not needed to 0, as `es_options options = {0};` does. */
typedef struct es_options {
    int32_t threads;     /* threads of the runtime, 1 to 64; 0: one. A .qnn.onnx artifact has none to choose */
    const char *library; /* path of the runtime's shared library, LiteRT's or for .qnn.onnx artifacts ONNX Runtime's; NULL: the
                            value of EDGESHIFT_LITERT or EDGESHIFT_ONNXRUNTIME, or the usual names */
} es_options;

/* What a model takes and answers. */
typedef struct es_model_info {
    int32_t height, width; /* size of the frames that the network takes; frames of other sizes are fitted */
    int32_t classes;       /* number of labels */
    int32_t frames;        /* frames that the graph takes in one call: 1, or the frames of a clip */
    int32_t hop;           /* of a clip: frames from one answer to the next; 0: it is not a clip */
    int32_t states;        /* number of states */
    double frame_spacing;  /* seconds from one frame to the next, as in training; 0: not known */
    double sound_seconds;  /* seconds of sound that an answer to a sound needs; 0: the network has no sound segment */
    int32_t sound_rate;    /* lowest rate that es_stream_hear takes, samples per second; 0: no sound segment */
} es_model_info;

/* How the pixels of an image are stored. */
typedef enum es_format {
    ES_RGB = 0,  /* 3 bytes per pixel */
    ES_BGR = 1,  /* 3 bytes per pixel */
    ES_RGBA = 2, /* 4 bytes per pixel; the last is not used */
    ES_BGRA = 3, /* 4 bytes per pixel; the last is not used */
    ES_NV12 = 4, /* planes[0]: Y; planes[1]: U and V in turns, for 2x2 pixels each */
    ES_NV21 = 5, /* planes[0]: Y; planes[1]: V and U in turns */
    ES_I420 = 6  /* planes[0]: Y; planes[1]: U; planes[2]: V; pixel_stride says how far U values are apart */
} es_format;

/* How Y, U and V become red, green and blue. Full: Y from 0 to 255. Video: Y from 16 to 235. */
typedef enum es_yuv {
    ES_BT601_FULL = 0, /* Android's cameras */
    ES_BT601_VIDEO = 1,
    ES_BT709_FULL = 2,
    ES_BT709_VIDEO = 3
} es_yuv;

/* An image in memory, which stays the caller's. Set fields that are not needed to 0. */
typedef struct es_image {
    es_format format;
    int32_t width, height;    /* as stored, before the rotation */
    const uint8_t *planes[3]; /* first byte of each plane */
    size_t strides[3];        /* bytes from a row to the next, of each plane */
    int32_t pixel_stride;     /* ES_I420: bytes from one U or V value to the next, 1 or 2; 0: 1 */
    int32_t rotation;         /* degrees, clockwise, after which the image is upright: 0, 90, 180 or 270 */
    int32_t mirrored;         /* 1: left and right are exchanged after the rotation */
    es_yuv yuv;               /* ES_NV12, ES_NV21, ES_I420: the colours */
} es_image;

/* Whether a prediction contains a sound, or why not. */
typedef enum es_heard {
    ES_SOUND_NONE = 0,    /* the network has no sound segment, or this is the answer to a whole clip */
    ES_SOUND_HEARD = 1,   /* the prediction contains the sound */
    ES_SOUND_DEAF = 2,    /* no samples were given so far, or since es_stream_deafen */
    ES_SOUND_WAITING = 3, /* there are not enough samples since the beginning or since a gap */
    ES_SOUND_LATE = 4,    /* the newest sample is more than 0.5 s older than the frame */
    ES_SOUND_SILENT = 5,  /* the microphone gives one value only */
    ES_SOUND_CLIPPED = 6  /* many samples are at the largest value that the microphone can give */
} es_heard;

/* The result for one frame. */
typedef struct es_prediction {
    int32_t index;       /* position of the label with the largest logit */
    const char *label;   /* that label, UTF-8. It belongs to the model */
    float score;         /* its softmax probability */
    int32_t fresh;       /* 0: the frame was not due, or no answer was due: the previous prediction is repeated */
    int32_t classes;     /* number of logits */
    const float *logits; /* they belong to the stream, until its next call */
    /* seconds. pre: from frame to input tensor. infer: writing the tensor into the runtime's buffer, running the graph, and
     * reading the logits. post: from the logits to the prediction */
    double pre, infer, post;
    es_heard heard; /* whether the prediction contains a sound. Without one, it contains the logits of a quiet room */
} es_prediction;

/* A detection by an event rule. */
typedef struct es_event {
    int32_t index;     /* position of its label */
    const char *label; /* the label. It belongs to the spotter's model */
    double score;      /* 0 to 1 */
    double timestamp;  /* seconds: time of the frame that completed it */
} es_event;

/* The result of a self-check. A comparison that the artifact does not have is NaN. */
typedef struct es_check {
    int32_t ok;             /* 1: passed */
    int32_t frames;         /* test frames, or windows of a clip. A network with a sound segment also gets a test sound */
    int32_t repeatable;     /* 1: a second run gave the same logits */
    int32_t version;        /* version of the artifact's description; version 1 accepts larger errors */
    double error, tolerance; /* of the logits: what was found, and the most that is accepted */
    double state_error, state_tolerance; /* of the state that differs most, in its standard deviations */
} es_check;

/* Version of this library, such as "0.1.0". */
ES_API const char *es_version(void);
/* ES_ABI of the library. Compare it with that of the header. */
ES_API int32_t es_abi(void);
/* Why the last call of this thread failed, one line of UTF-8. It is valid until the thread's next call. */
ES_API const char *es_error(void);
/* Status of the last call of this thread that returned NULL. */
ES_API es_status es_error_status(void);

/* Open an artifact. The file is read, checked and closed. options: NULL for the usual ones. */
ES_API es_model *es_model_open(const char *path, const es_options *options);
/* Open an artifact that is in memory. The bytes are copied. name: how messages call it, such as its file name. */
ES_API es_model *es_model_open_memory(const void *data, size_t size, const char *name, const es_options *options);
/* Open a description alone, JSON, such as that in a Core ML package, for a program that runs the graph itself. The model
 * fits images and makes spotters; it has no streams and no self-check. name: how messages call it. */
ES_API es_model *es_model_open_description(const char *json, size_t size, const char *name);
ES_API void es_model_close(es_model *model);
ES_API void es_model_get_info(const es_model *model, es_model_info *info);
/* A label, UTF-8. NULL: there is no such label. */
ES_API const char *es_model_label(const es_model *model, int32_t index);
/* The whole description of the artifact, JSON. */
ES_API const char *es_model_description(const es_model *model);
/* Name of the runtime and how it runs, such as "LiteRT (compiled, 1 thread)"; "none" of a description alone. */
ES_API const char *es_model_runtime(const es_model *model);
/* Fit an image to the network's size, as a step does. out: height x width x 3 bytes, in the network's channel order. */
ES_API es_status es_model_fit(const es_model *model, const es_image *image, uint8_t *out);
/* Run the self-check twice, as `edgeshift verify` does. The return value says whether it ran; check->ok, whether it passed. */
ES_API es_status es_model_self_check(es_model *model, es_check *check);

ES_API es_stream *es_stream_new(es_model *model);
ES_API void es_stream_free(es_stream *stream);
/* Start a new sequence. */
ES_API es_status es_stream_reset(es_stream *stream);
/* Run one frame.
 *
 * timestamp: its time in seconds, or NaN. With a time, a frame that comes before the next one is due, by the artifact's
 * frame spacing, is not run: the previous prediction is repeated with fresh = 0.
 * prediction: written if the result is ES_OK.
 */
ES_API es_status es_stream_step(es_stream *stream, const es_image *image, double timestamp, es_prediction *prediction);
/* Take the next samples of a microphone, for a network with a sound segment. Give the samples up to the time of a frame
 * before the frame. The sound runs inside es_stream_step when it is due. If a thread of its own reads the microphone, the two
 * threads must take turns, as with all functions of one stream.
 *
 * samples: `count` floats from -1 to 1, one channel. They are copied. If `count` is 0, NULL is
 * possible, and nothing changes: the sound becomes late as without the call.
 * timestamp: time of the first sample, on the same clock as the frames. A piece that begins more than 0.03 s before or
 * after the end of the piece before it comes after a gap: the sound so far is forgotten.
 * rate: samples per second, es_model_info.sound_rate to 384,000. A sound is not resampled.
 */
ES_API es_status es_stream_hear(es_stream *stream, const float *samples, size_t count, double timestamp, int32_t rate);
/* Forget all samples, for example when the microphone is switched off. es_stream_reset does this as well. */
ES_API es_status es_stream_deafen(es_stream *stream);
/* Run one whole clip with a clip artifact: of `count` images, the middle one of each of its T equal parts is used. The
 * frames that es_stream_step keeps stay as they are. The samples of es_stream_hear are not used. */
ES_API es_status es_stream_clip(es_stream *stream, const es_image *images, int32_t count, es_prediction *prediction);
/* Number of bytes that es_stream_save writes. They end with the bytes of all states in the description's order, or for a
 * clip artifact with the T frames, the oldest first, and the number of all frames, 8 bytes, little-endian. No sound is
 * saved. */
ES_API size_t es_stream_state_size(const es_stream *stream);
/* Copy the states, so that es_stream_restore continues from the same point. They contain no time: after a restore, the
 * frame spacing counts from the next frame. size: bytes at `out`. */
ES_API es_status es_stream_save(const es_stream *stream, void *out, size_t size);
ES_API es_status es_stream_restore(es_stream *stream, const void *state, size_t size);

/* A spotter with the artifact's event rule, or the default rule if it has none. */
ES_API es_spotter *es_spotter_new(es_model *model);
ES_API void es_spotter_free(es_spotter *spotter);
ES_API es_status es_spotter_reset(es_spotter *spotter);
/* Give it a fresh prediction's logits and the time of its frame in seconds. Returns 1 and writes `event` if there is a
 * detection, 0 if there is none, or a negative es_status. */
ES_API int32_t es_spotter_feed(es_spotter *spotter, const float *logits, double timestamp, es_event *event);

#ifdef __cplusplus
}
#endif

#endif /* EDGESHIFT_H */
