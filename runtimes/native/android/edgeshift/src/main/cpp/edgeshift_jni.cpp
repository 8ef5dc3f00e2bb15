// The native functions of dev.edgeshift.Native (Native.kt), over the C interface. A function here converts arguments
// and results, and does nothing else. Nothing here throws a C++ exception.
#include <jni.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#include "edgeshift/edgeshift.h"

namespace {

// As in Image.kt and Prediction.kt.
constexpr int PLANES = 3, LAYOUT = 10, NUMBERS = 7;

template <class T> T *object(jlong address) { return reinterpret_cast<T *>(static_cast<intptr_t>(address)); }

jlong address(const void *object) { return static_cast<jlong>(reinterpret_cast<intptr_t>(object)); }

// UTF-8 as a byte array, because JNI's own strings are not UTF-8.
jbyteArray text(JNIEnv *env, const char *utf8) {
    const jsize size = utf8 ? static_cast<jsize>(std::strlen(utf8)) : 0;
    jbyteArray array = env->NewByteArray(size);
    if (array && size)
        env->SetByteArrayRegion(array, 0, size, reinterpret_cast<const jbyte *>(utf8));
    return array;
}

// Throw an EdgeshiftException, unless the virtual machine has thrown something itself.
void raise(JNIEnv *env, es_status status, const char *why) {
    if (env->ExceptionCheck())
        return;
    jclass type = env->FindClass("dev/edgeshift/EdgeshiftException");
    jmethodID create = type ? env->GetMethodID(type, "<init>", "(I[B)V") : nullptr;
    jbyteArray message = create ? text(env, why) : nullptr;
    jobject failure = message ? env->NewObject(type, create, static_cast<jint>(status), message) : nullptr;
    if (failure)
        env->Throw(static_cast<jthrowable>(failure));
}

jint checked(JNIEnv *env, int32_t status) {
    if (status < 0)
        raise(env, static_cast<es_status>(status), es_error());
    return status;
}

jlong created(JNIEnv *env, const void *object) {
    if (!object)
        raise(env, es_error_status(), es_error());
    return address(object);
}

jdoubleArray numbers(JNIEnv *env, const double *values, jsize count) {
    jdoubleArray array = env->NewDoubleArray(count);
    if (array)
        env->SetDoubleArrayRegion(array, 0, count, values);
    return array;
}

// The bytes of a Java array while this object lives.
class Bytes {
  public:
    // mode: 0 copies changes back to Java, JNI_ABORT does not.
    Bytes(JNIEnv *env, jbyteArray array, jint mode)
        : env_(env), array_(array), mode_(mode), data_(array ? env->GetByteArrayElements(array, nullptr) : nullptr) {}
    ~Bytes() {
        if (data_)
            env_->ReleaseByteArrayElements(array_, data_, mode_);
    }
    Bytes(const Bytes &) = delete;
    Bytes &operator=(const Bytes &) = delete;
    jbyte *data() const { return data_; }
    const char *text() const { return reinterpret_cast<const char *>(data_); }

  private:
    JNIEnv *env_;
    jbyteArray array_;
    jint mode_;
    jbyte *data_;
};

// Image number `index` of those that Kotlin describes by LAYOUT numbers and PLANES buffers each. Kotlin has checked
// that the buffers are as large as the numbers say.
es_image image_at(JNIEnv *env, jintArray layouts, jobjectArray planes, int index) {
    jint values[LAYOUT] = {};
    env->GetIntArrayRegion(layouts, index * LAYOUT, LAYOUT, values);
    es_image image = {};
    image.format = static_cast<es_format>(values[0]);
    image.width = values[1];
    image.height = values[2];
    for (int plane = 0; plane < PLANES; plane++) {
        jobject buffer = env->GetObjectArrayElement(planes, index * PLANES + plane);
        if (buffer) {
            image.planes[plane] = static_cast<const uint8_t *>(env->GetDirectBufferAddress(buffer));
            env->DeleteLocalRef(buffer);
        }
        image.strides[plane] = static_cast<size_t>(values[3 + plane]);
    }
    image.pixel_stride = values[6];
    image.rotation = values[7];
    image.mirrored = values[8];
    image.yuv = static_cast<es_yuv>(values[9]);
    return image;
}

jint answered(JNIEnv *env, es_status status, const es_prediction &answer, jdoubleArray out, jfloatArray logits) {
    if (checked(env, status) != ES_OK)
        return status;
    const double values[NUMBERS] = {static_cast<double>(answer.index), answer.score, static_cast<double>(answer.fresh),
                                    answer.pre, answer.infer, answer.post, static_cast<double>(answer.heard)};
    env->SetDoubleArrayRegion(out, 0, NUMBERS, values);
    env->SetFloatArrayRegion(logits, 0, answer.classes, answer.logits);
    return status;
}

} // namespace

#define FUNCTION(type, name) extern "C" JNIEXPORT type JNICALL Java_dev_edgeshift_Native_##name

// Refuse a core that was compiled with another header.
extern "C" JNIEXPORT jint JNICALL JNI_OnLoad(JavaVM *, void *) {
    return es_abi() == ES_ABI ? JNI_VERSION_1_6 : JNI_ERR;
}

FUNCTION(jbyteArray, version)(JNIEnv *env, jclass) { return text(env, es_version()); }

FUNCTION(jlong, openFile)(JNIEnv *env, jclass, jbyteArray path, jint threads, jbyteArray library) {
    const Bytes path_text(env, path, JNI_ABORT), library_text(env, library, JNI_ABORT);
    es_options options = {};
    options.threads = threads;
    options.library = library_text.text();
    return created(env, es_model_open(path_text.text(), &options));
}

FUNCTION(jlong, openMemory)
(JNIEnv *env, jclass, jobject data, jlong size, jbyteArray name, jint threads, jbyteArray library) {
    const Bytes name_text(env, name, JNI_ABORT), library_text(env, library, JNI_ABORT);
    es_options options = {};
    options.threads = threads;
    options.library = library_text.text();
    const void *bytes = env->GetDirectBufferAddress(data);
    return created(env, es_model_open_memory(bytes, static_cast<size_t>(size), name_text.text(), &options));
}

FUNCTION(void, closeModel)(JNIEnv *, jclass, jlong model) { es_model_close(object<es_model>(model)); }

FUNCTION(jdoubleArray, info)(JNIEnv *env, jclass, jlong model) {
    es_model_info info = {};
    es_model_get_info(object<es_model>(model), &info);
    const double values[] = {static_cast<double>(info.height), static_cast<double>(info.width),
                             static_cast<double>(info.classes), static_cast<double>(info.frames),
                             static_cast<double>(info.hop), static_cast<double>(info.states), info.frame_spacing,
                             info.sound_seconds, static_cast<double>(info.sound_rate)};
    return numbers(env, values, 9);
}

FUNCTION(jbyteArray, label)(JNIEnv *env, jclass, jlong model, jint index) {
    return text(env, es_model_label(object<es_model>(model), index));
}

FUNCTION(jbyteArray, description)(JNIEnv *env, jclass, jlong model) {
    return text(env, es_model_description(object<es_model>(model)));
}

FUNCTION(jbyteArray, runtime)(JNIEnv *env, jclass, jlong model) {
    return text(env, es_model_runtime(object<es_model>(model)));
}

FUNCTION(void, fit)(JNIEnv *env, jclass, jlong model, jintArray layout, jobjectArray planes, jbyteArray out) {
    const es_image image = image_at(env, layout, planes, 0);
    const Bytes pixels(env, out, 0);
    if (pixels.data())
        checked(env, es_model_fit(object<es_model>(model), &image, reinterpret_cast<uint8_t *>(pixels.data())));
}

FUNCTION(jdoubleArray, selfCheck)(JNIEnv *env, jclass, jlong model) {
    es_check check = {};
    if (checked(env, es_model_self_check(object<es_model>(model), &check)) < 0)
        return nullptr;
    const double values[] = {static_cast<double>(check.ok), static_cast<double>(check.frames),
                             static_cast<double>(check.repeatable), static_cast<double>(check.version), check.error,
                             check.tolerance, check.state_error, check.state_tolerance};
    return numbers(env, values, 8);
}

FUNCTION(jlong, newStream)(JNIEnv *env, jclass, jlong model) {
    return created(env, es_stream_new(object<es_model>(model)));
}

FUNCTION(void, freeStream)(JNIEnv *, jclass, jlong stream) { es_stream_free(object<es_stream>(stream)); }

FUNCTION(void, resetStream)(JNIEnv *env, jclass, jlong stream) {
    checked(env, es_stream_reset(object<es_stream>(stream)));
}

FUNCTION(jint, step)
(JNIEnv *env, jclass, jlong stream, jintArray layout, jobjectArray planes, jdouble timestamp, jdoubleArray out,
 jfloatArray logits) {
    const es_image image = image_at(env, layout, planes, 0);
    es_prediction answer = {};
    const es_status status = es_stream_step(object<es_stream>(stream), &image, timestamp, &answer);
    return answered(env, status, answer, out, logits);
}

FUNCTION(void, hear)(JNIEnv *env, jclass, jlong stream, jfloatArray samples, jint count, jdouble timestamp, jint rate) {
    jfloat *values = env->GetFloatArrayElements(samples, nullptr);
    if (!values)
        return;
    const es_status status =
        es_stream_hear(object<es_stream>(stream), values, static_cast<size_t>(count), timestamp, rate);
    env->ReleaseFloatArrayElements(samples, values, JNI_ABORT);
    checked(env, status);
}

FUNCTION(void, deafen)(JNIEnv *env, jclass, jlong stream) {
    checked(env, es_stream_deafen(object<es_stream>(stream)));
}

FUNCTION(jint, clip)
(JNIEnv *env, jclass, jlong stream, jintArray layouts, jobjectArray planes, jdoubleArray out, jfloatArray logits) {
    const jsize count = env->GetArrayLength(layouts) / LAYOUT;
    const std::unique_ptr<es_image[]> images(new (std::nothrow) es_image[count]);
    if (!images) {
        raise(env, ES_FAILED, "there is no memory for a clip of so many images: give fewer");
        return ES_FAILED;
    }
    for (jsize index = 0; index < count; index++)
        images[index] = image_at(env, layouts, planes, index);
    es_prediction answer = {};
    const es_status status = es_stream_clip(object<es_stream>(stream), images.get(), count, &answer);
    return answered(env, status, answer, out, logits);
}

FUNCTION(jbyteArray, save)(JNIEnv *env, jclass, jlong stream) {
    const size_t size = es_stream_state_size(object<es_stream>(stream));
    jbyteArray state = env->NewByteArray(static_cast<jsize>(size));
    const Bytes bytes(env, state, 0);
    if (bytes.data())
        checked(env, es_stream_save(object<es_stream>(stream), bytes.data(), size));
    return state;
}

FUNCTION(void, restore)(JNIEnv *env, jclass, jlong stream, jbyteArray state) {
    const Bytes bytes(env, state, JNI_ABORT);
    const size_t size = static_cast<size_t>(env->GetArrayLength(state));
    if (bytes.data())
        checked(env, es_stream_restore(object<es_stream>(stream), bytes.data(), size));
}

FUNCTION(jlong, newSpotter)(JNIEnv *env, jclass, jlong model) {
    return created(env, es_spotter_new(object<es_model>(model)));
}

FUNCTION(void, freeSpotter)(JNIEnv *, jclass, jlong spotter) { es_spotter_free(object<es_spotter>(spotter)); }

FUNCTION(void, resetSpotter)(JNIEnv *env, jclass, jlong spotter) {
    checked(env, es_spotter_reset(object<es_spotter>(spotter)));
}

FUNCTION(jdoubleArray, feed)(JNIEnv *env, jclass, jlong spotter, jfloatArray logits, jdouble timestamp) {
    jfloat *values = env->GetFloatArrayElements(logits, nullptr);
    if (!values)
        return nullptr;
    es_event event = {};
    const int32_t found = es_spotter_feed(object<es_spotter>(spotter), values, timestamp, &event);
    env->ReleaseFloatArrayElements(logits, values, JNI_ABORT);
    if (checked(env, found) <= 0)
        return nullptr;
    const double result[] = {static_cast<double>(event.index), event.score, event.timestamp};
    return numbers(env, result, 3);
}
