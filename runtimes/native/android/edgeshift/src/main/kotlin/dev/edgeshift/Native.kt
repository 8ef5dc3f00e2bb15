package dev.edgeshift

import java.nio.ByteBuffer

/**
 * The native functions of libedgeshift_jni.so. Handles are the addresses of C objects; 0 is never one.
 *
 * Functions that can fail throw [EdgeshiftException]. Texts are UTF-8 without a zero byte at the end, except for
 * arguments, which have one. An image is 10 numbers and 3 buffers; see [Image.layout].
 */
internal object Native {
    init {
        System.loadLibrary("edgeshift_jni")
    }

    @JvmStatic external fun version(): ByteArray
    @JvmStatic external fun openFile(path: ByteArray, threads: Int, library: ByteArray?): Long
    @JvmStatic external fun openMemory(
        data: ByteBuffer, size: Long, name: ByteArray, threads: Int, library: ByteArray?,
    ): Long
    @JvmStatic external fun closeModel(model: Long)

    /** Returns height, width, classes, frames, hop, states, frame spacing, seconds of a sound and its lowest rate. */
    @JvmStatic external fun info(model: Long): DoubleArray
    @JvmStatic external fun label(model: Long, index: Int): ByteArray
    @JvmStatic external fun description(model: Long): ByteArray
    @JvmStatic external fun runtime(model: Long): ByteArray
    @JvmStatic external fun fit(model: Long, layout: IntArray, planes: Array<ByteBuffer?>, out: ByteArray)

    /** Returns ok, frames, repeatable, version, error, tolerance, state error and state tolerance. */
    @JvmStatic external fun selfCheck(model: Long): DoubleArray

    @JvmStatic external fun newStream(model: Long): Long
    @JvmStatic external fun freeStream(stream: Long)
    @JvmStatic external fun resetStream(stream: Long)

    /**
     * Writes index, score, fresh, pre, infer, post and heard to [numbers], and the logits to [logits].
     * Returns the es_status: ES_OK or ES_WAITING.
     */
    @JvmStatic external fun step(
        stream: Long, layout: IntArray, planes: Array<ByteBuffer?>, timestamp: Double,
        numbers: DoubleArray, logits: FloatArray,
    ): Int

    /** Takes the first [count] of the samples. */
    @JvmStatic external fun hear(stream: Long, samples: FloatArray, count: Int, timestamp: Double, rate: Int)
    @JvmStatic external fun deafen(stream: Long)

    /** As [step]. The numbers and buffers of all images follow each other. */
    @JvmStatic external fun clip(
        stream: Long, layouts: IntArray, planes: Array<ByteBuffer?>, numbers: DoubleArray, logits: FloatArray,
    ): Int
    @JvmStatic external fun save(stream: Long): ByteArray
    @JvmStatic external fun restore(stream: Long, state: ByteArray)

    @JvmStatic external fun newSpotter(model: Long): Long
    @JvmStatic external fun freeSpotter(spotter: Long)
    @JvmStatic external fun resetSpotter(spotter: Long)

    /** Returns index, score and timestamp of a detection, or null. */
    @JvmStatic external fun feed(spotter: Long, logits: FloatArray, timestamp: Double): DoubleArray?
}

/** The text as C takes it. */
internal fun String.toCString(what: String): ByteArray {
    if (indexOf('\u0000') >= 0) throw badArgument("$what contains a null character: give another one")
    return encodeToByteArray() + 0
}
